"""Tables that the server sorts, filters and cuts into pages, so that thousands of rows cost the browser nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dash import html

from report.figures import figure
from report.front import steadied
from report.run import Trial
from report.table import columns
from report.view import View

PAGE = 25
"""Rows of a page."""
KINDS = {
    "": "all trials",
    "front": "the front",
    "ok": "finished",
    "open": "running",
    "measured": "measured only",
    "infeasible": "over a limit",
    "failed": "failed",
}


@dataclass(frozen=True)
class Asked:
    """What a reader has asked of a table; travels through the browser as a dict."""

    sort: str = "number"
    up: bool = True
    page: int = 0
    kind: str = ""
    words: str = ""

    def sorted_by(self, column: str) -> "Asked":
        """By this column, the other way round when it was already."""
        return replace(self, sort=column, up=not self.up if self.sort == column else True, page=0)


@dataclass(frozen=True)
class Column:
    """`value` is what is sorted by (None: last), `text` what is written."""

    key: str
    heading: str
    value: Callable[[Trial], Any]
    text: Callable[[Trial], Any]
    number: bool = False


def trial_columns(view: View, *, failures: bool = False) -> list[Column]:
    """Of all trials: figures and what was changed; of failures: why."""
    found = [
        Column("number", "Trial", lambda t: t.number, lambda t: str(t.number), True),
        Column("network", "Network", view.name, view.name),
        Column(
            "kind", "Stands", view.standing, lambda t: html.Span(KINDS[view.standing(t)], className=f"badge {view.standing(t)}")
        ),
        Column("seed", "Seed", lambda t: t.seed, lambda t: str(t.seed), True),
    ]
    if failures:
        return [*found, Column("reason", "Reason", lambda t: t.reason, lambda t: html.Span(t.reason, className="reason"))]
    found.append(Column("rung", "Epochs", lambda t: t.rung, lambda t: f"{view.run.epochs(t.rung):g}" if t.rung > 0 else "-", True))
    goals = [goal.name for goal in view.comparison.goals]
    found += [_measured(view, name) for name in dict.fromkeys([*goals, *columns(view.comparison)])]  # what decides is never cut off
    return [*found, Column("changed", "Changed", lambda t: len(_changes(view, t)), lambda t: _told(view, t))]


def _measured(view: View, name: str) -> Column:
    known, baseline = figure(name), view.comparison.baseline

    def read(trial: Trial) -> Any:
        """As the front and the panel have it: the baseline's latency is that of the whole run."""
        own = baseline is not None and trial.arch.id == baseline.arch.id
        return (steadied(trial, view.run) if own else trial).measurements.get(name)

    return Column(name, known.heading, lambda t: _number(read(t)), lambda t: _written(read(t), known), True)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _written(value: Any, known: Any) -> str:
    return known.number(value) if isinstance(value, int | float) else "-"


def _changes(view: View, trial: Trial) -> Sequence[Any]:
    network = view.networks.get(trial.arch.id)
    return network.changes if network else ()


def _told(view: View, trial: Trial) -> html.Span:
    changed = [str(change) for change in _changes(view, trial)]
    more = f"; and {len(changed) - 2} more" if len(changed) > 2 else ""
    return html.Span("; ".join(changed[:2]) + more, className="changed-text", title="\n".join(changed))


def selected(view: View, asked: Asked, kinds: Sequence[str] | None = None) -> list[Trial]:
    """The trials of these kinds that hold every word in their number, name, reason or kind."""
    words = asked.words.lower().split()
    found = []
    for trial in view.run.trials:
        stands = view.standing(trial)
        if (kinds and stands not in kinds) or (asked.kind and asked.kind not in (stands, trial.kind)):
            continue
        text = f"{trial.number} {trial.arch.id[:8]} {view.name(trial)} {trial.reason} {KINDS[stands]}".lower()
        if all(word in text for word in words):
            found.append(trial)
    return found


def ordered(trials: Sequence[Trial], column: Column, up: bool) -> list[Trial]:
    """Sorted; what has no value stays last either way."""
    valued = [(value, trial) for trial in trials if (value := column.value(trial)) is not None]
    rest = [trial for trial in trials if column.value(trial) is None]
    return [trial for _, trial in sorted(valued, key=lambda entry: entry[0], reverse=not up)] + rest


def table(name: str, shown: Sequence[Column], trials: Sequence[Trial], asked: Asked, chosen: int | None) -> list[Any]:
    """One page of a table `name`, its head to sort by, and the way to other pages."""
    column = next((c for c in shown if c.key == asked.sort), shown[0])
    pages = max(1, -(-len(trials) // PAGE))
    page = min(asked.page, pages - 1)
    part = ordered(trials, column, asked.up)[page * PAGE : (page + 1) * PAGE]
    head = html.Tr([_head(name, c, asked) for c in shown])
    body = [_line(name, shown, trial, chosen) for trial in part]
    counted = f"{len(trials)} trial{'s' * (len(trials) != 1)}, page {page + 1} of {pages}"
    turn = [html.Button(text, id={"turn": name, "to": to}, disabled=not 0 <= page + to < pages) for text, to in _TURNS]
    return [
        html.Div(html.Table([html.Thead(head), html.Tbody(body)]), className="scroll"),
        html.Div([html.Span(counted), html.Span(turn)], className="pages"),
    ]


_TURNS = (("Back", -1), ("Next", 1))


def _head(name: str, column: Column, asked: Asked) -> html.Th:
    arrow = (" \u2191" if asked.up else " \u2193") if column.key == asked.sort else " \u2195"
    button = html.Button([column.heading, html.Span(arrow, className="arrow")], id={"sort": name, "by": column.key})
    return html.Th(button, className="num" * column.number)


def _line(name: str, shown: Sequence[Column], trial: Trial, chosen: int | None) -> html.Tr:
    cells = [html.Td(column.text(trial), className="num" * column.number) for column in shown]
    look = "pick" + " lit" * (trial.number == chosen)
    return html.Tr(cells, id={"pick": name, "trial": trial.number}, className=look, n_clicks=0)
