"""The tables' behaviour: every trial, and those that failed or were over a limit, sorted and turned by the server."""

from collections import Counter
from dataclasses import asdict
from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from report.dashboard.page import chosen_number
from report.dashboard.table import KINDS, Asked, selected, table, trial_columns
from report.dashboard.watch import Watch

REFUSED = ("infeasible", "failed")


def list_trials(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("trials-table", "children"),
        Input("trials-state", "data"),
        Input("trials-words", "value"),
        Input("trials-kind", "value"),
        Input("version", "data"),
        Input("chosen", "data"),
        State("run", "value"),
    )
    def trials(state: Any, words: Any, kind: Any, _: Any, chosen: Any, run: str) -> Any:
        view, asked = watch.view(run), Asked(**(state | {"words": words or "", "kind": kind or ""}))
        asked = Asked(**(asdict(asked) | {"page": 0})) if ctx.triggered_id in ("trials-words", "trials-kind") else asked
        return table("trials", trial_columns(view), selected(view, asked), asked, chosen_number(chosen, run))

    @app.callback(
        Output("failures-table", "children"),
        Output("failures-summary", "children"),
        Input("failures-state", "data"),
        Input("version", "data"),
        Input("chosen", "data"),
        State("run", "value"),
    )
    def failures(state: Any, _: Any, chosen: Any, run: str) -> Any:
        view, asked = watch.view(run), Asked(**state)
        found = selected(view, asked, REFUSED)
        counted = Counter((view.standing(trial), _cause(trial.reason)) for trial in found)
        cards = [
            html.Div(
                [html.B(str(count)), html.Span(f"{cause}"), html.Span(KINDS[kind], className=f"badge {kind}")],
                className="count-card",
            )
            for (kind, cause), count in counted.most_common(8)
        ]
        told = (
            html.Div(cards, className="count-cards") if cards else html.P("No trial failed or was over a limit.", className="soft")
        )
        return table("failures", trial_columns(view, failures=True), found, asked, chosen_number(chosen, run)), told

    for name in ("trials", "failures"):
        _turning(app, name)


def _cause(reason: str) -> str:
    """What a reason begins with: the limit, or the failure's type."""
    first = reason.split(":")[0]
    return first.split()[0] if " is over its limit" in first else first


def _turning(app: Dash, name: str) -> None:
    """Sort by a heading, turn a page."""

    @app.callback(
        Output(f"{name}-state", "data"),
        Input({"sort": name, "by": ALL}, "n_clicks"),
        Input({"turn": name, "to": ALL}, "n_clicks"),
        State(f"{name}-state", "data"),
        prevent_initial_call=True,
    )
    def turn(_: Any, __: Any, state: Any) -> Any:
        if not ctx.triggered[0]["value"]:
            return no_update  # a table that was just drawn, not a click
        asked, clicked = Asked(**state), ctx.triggered_id
        turned = asked.sorted_by(clicked["by"]) if "sort" in clicked else Asked(**(state | {"page": asked.page + clicked["to"]}))
        return asdict(turned)
