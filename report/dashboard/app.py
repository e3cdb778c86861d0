"""The page's behaviour: what is drawn again when a reader chooses something, or when a log has grown."""

from typing import Any

from dash import ALL, Dash, Input, Output, State, ctx, dcc, html, no_update

from report.choices_picture import importance_picture, parallel_picture
from report.dashboard import page
from report.dashboard.listing import list_trials
from report.dashboard.page import chosen_number
from report.dashboard.panel import panel
from report.dashboard.table import Asked, ordered, table, trial_columns
from report.dashboard.versus import contest_of, fronts_picture, versus_table
from report.dashboard.watch import Watch
from report.figures import figure
from report.importance import ENOUGH
from report.pictures import curves_picture, front_picture, progress_picture
from report.style import empty
from report.table import standing
from report.view import View

SHOWN = 8
"""Choices in the parallel coordinates to begin with: those that separate the first objective most."""


def make_app(watch: Watch) -> Dash:
    """The page over `watch`; nothing on it comes from elsewhere."""
    app = Dash(__name__, serve_locally=True, assets_folder="none", suppress_callback_exceptions=True, update_title="")
    app.index_string = page.index()
    app.layout = lambda: _first_look(watch)  # of every visit: runs may have been added
    _head(app, watch)
    _panes(app, watch)
    _front(app, watch)
    list_trials(app, watch)
    _curves(app, watch)
    _choices(app, watch)
    _versus(app, watch)
    _choosing(app)
    _panel(app, watch)
    return app


def _first_look(watch: Watch) -> Any:
    """The page with its first tab and its pictures in it, which saves the browser two ways to the server and back."""
    run, versions = watch.keys()[0], watch.versions()
    return page.page(watch.keys(), run, page.front_pane(watch.view(run), None), versions)


def _head(app: Dash, watch: Watch) -> None:
    @app.callback(Output("version", "data"), Output("run", "options"), Input("tick", "n_intervals"), State("version", "data"))
    def look(_: Any, before: Any) -> Any:
        watch.look()
        now = watch.versions() | {f"! {key}": text for key, text in watch.trouble.items()}
        same = before == now
        return (no_update if same else now), (no_update if before and before.keys() == now.keys() else watch.keys())

    @app.callback(Output("title", "children"), Output("standing", "children"), Input("run", "value"), Input("version", "data"))
    def head(run: str, _: Any) -> Any:
        view = watch.view(run)
        told: list[Any] = [standing(view.run, view.comparison)]
        told += [html.Div(watch.trouble[run], className="banner small")] if run in watch.trouble else []
        told += [html.Pre(bug, className="banner small") for bug in view.run.bugs]
        return view.run.name, told


def _trained(view: View) -> list[dict[str, str]]:
    """The measurements of trained rungs, the objectives first."""
    measured = {name: value for t in view.run.trials for r, found in t.rungs.items() if r > 0 for name, value in found.items()}
    names = [name for name, value in measured.items() if isinstance(value, int | float)]
    names.sort(key=lambda name: name not in [goal.name for goal in view.comparison.goals])
    return [{"label": figure(name).heading, "value": name} for name in names]


def _panes(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("pane", "children"), Input("tab", "value"), Input("run", "value"), State("chosen", "data"), prevent_initial_call=True
    )
    def pane(tab: str, run: str, chosen: Any) -> Any:
        view = watch.view(run)
        axes, (across, up) = view.axes_named, view.first_axes
        if tab == "trials":
            return page.trials_pane()
        if tab == "curves":
            trained = _trained(view)
            return page.curves_pane(trained, trained[0]["value"] if trained else None)
        if tab == "choices":
            return page.choices_pane(run, list(view.choices), list(view.choices)[:SHOWN], axes, up)
        if tab == "failures":
            return page.failures_pane()
        if tab == "versus":
            return page.versus_pane(watch.keys(), axes, across, up)
        return page.front_pane(view, chosen_number(chosen, run))


def _front(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output({"picture": "front"}, "figure"),
        Input("across", "value"),
        Input("up", "value"),
        Input("version", "data"),
        Input("chosen", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def front(across: str, up: str, _: Any, chosen: Any, run: str) -> Any:
        return front_picture(watch.view(run), across, up, chosen_number(chosen, run))

    @app.callback(
        Output({"picture": "progress"}, "figure"),
        Output("progress-note", "children"),
        Input("over", "value"),
        Input("version", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def progress(over: str, _: Any, run: str) -> Any:
        view = watch.view(run)
        return progress_picture(view, over), view.counted_from


def _curves(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output({"picture": "curves"}, "figure"),
        Output("running", "children"),
        Input("curve", "value"),
        Input("version", "data"),
        Input("chosen", "data"),
        State("run", "value"),
    )
    def curves(name: Any, _: Any, chosen: Any, run: str) -> Any:
        view = watch.view(run)
        running = [trial for trial in view.run.trials if trial.kind == "open"]
        columns = trial_columns(view)
        newest = ordered(running, columns[0], False)[:12]
        told = [html.P("No trial is running.", className="soft")]
        if running:
            title = html.H2(f"{len(running)} running" if not view.run.finished else f"{len(running)} left open")
            told = [title, page.card(html.Div(table("running", columns, newest, Asked(up=False), chosen_number(chosen, run))[0]))]
        return curves_picture(view, name, chosen_number(chosen, run)), told


def _choices(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output({"picture": "parallel"}, "figure"),
        Input("places", "value"),
        Input("colour", "value"),
        Input("version", "data"),
        State("run", "value"),
    )
    def parallel(places: Any, name: str, _: Any, run: str) -> Any:
        return parallel_picture(watch.view(run), places or [], name)

    @app.callback(Output("importance", "children"), Input("importance-of", "data"))
    def importance(run: str) -> Any:
        found = watch.view(run).importances
        if not found:
            return html.P(f"Fewer than {ENOUGH} networks have been fully trained: too few to tell.", className="soft")
        return [
            page.card(
                html.H3(
                    [
                        figure(i.name).label,
                        html.Span(f" of {i.members} networks; R\u00b2 {i.predicts:.2f} on unseen ones", className="soft"),
                    ]
                ),
                dcc.Graph(figure=importance_picture(i), config={"displayModeBar": False}, style={"height": "340px"}),
            )
            for i in found
        ]


def _versus(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output({"picture": "versus"}, "figure"),
        Output("versus-table", "children"),
        Input("contenders", "value"),
        Input("versus-across", "value"),
        Input("versus-up", "value"),
        Input("version", "data"),
    )
    def versus(keys: Any, across: str, up: str, _: Any) -> Any:
        views = [watch.view(key) for key in keys or []]
        if not views:
            return empty("No run is chosen"), html.P("Choose runs to compare.", className="soft")
        try:
            told = versus_table(contest_of(views))
        except ValueError as error:
            told = [html.P(str(error), className="warn")]
        return fronts_picture(views, across, up), told


def _choosing(app: Dash) -> None:
    """A click on a point or a line of a table chooses its trial; one of another run changes to that run."""

    @app.callback(
        Output("chosen", "data"),
        Output("run", "value"),
        Input({"picture": ALL}, "clickData"),
        Input({"pick": ALL, "trial": ALL}, "n_clicks"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def choose(_: Any, __: Any, run: str) -> Any:
        clicked, value = ctx.triggered_id, ctx.triggered[0]["value"]
        if not value or clicked is None:
            return no_update, no_update
        if "pick" in clicked:
            return {"run": run, "trial": clicked["trial"]}, no_update
        told = value["points"][0].get("customdata")
        if isinstance(told, list):
            return {"run": told[0], "trial": told[1]}, told[0] if told[0] != run else no_update
        return ({"run": run, "trial": told}, no_update) if isinstance(told, int) else (no_update, no_update)


def _panel(app: Dash, watch: Watch) -> None:
    @app.callback(Output("panel", "children"), Input("chosen", "data"), Input("run", "value"), Input("version", "data"))
    def shown(chosen: Any, run: str, _: Any) -> Any:
        return panel(watch.view(run), chosen_number(chosen, run))

    @app.callback(
        Output("file", "data"),
        Input({"save": ALL}, "n_clicks"),
        State("chosen", "data"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def save(clicks: Any, chosen: Any, run: str) -> Any:
        number = chosen_number(chosen, run)
        if not any(clicks) or number is None:
            return no_update
        arch = watch.view(run).trials[number].arch
        return {"content": arch.to_yaml(), "filename": f"trial_{number}_{arch.id[:8]}.yaml"}
