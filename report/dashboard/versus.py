"""Several runs in one picture: front against front, and the figures that tell them apart."""

import math
from collections.abc import Sequence
from typing import Any

from dash import html

from report.compare import QUARTILES, Contest, contest, spread
from report.compare_page import effort_table
from report.figures import figure
from report.style import RUNS, axis, empty, layout
from report.view import View


def contest_of(views: Sequence[View]) -> Contest:
    return contest([view.run for view in views], [view.comparison for view in views])


def fronts_picture(views: Sequence[View], across: str, up: str) -> dict[str, Any]:
    """Every run's front, a colour each; a step line joins it where the axes are the objectives."""
    traces = []
    for n, view in enumerate(views):
        goals = {goal.name: goal for goal in view.comparison.goals}
        front = [m for m in view.comparison.front if all(isinstance(m.measurements.get(a), int | float) for a in (across, up))]
        front.sort(key=lambda m: m.measurements[across])
        colour = RUNS[n % len(RUNS)]
        steps = "hv" if goals.get(across) and goals[across].direction == "min" else "vh"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if set(goals) == {across, up} else "markers",
                "name": view.key,
                "x": [m.measurements[across] for m in front],
                "y": [m.measurements[up] for m in front],
                "customdata": [[view.key, m.trials[0]] for m in front],
                "text": [view.names.get(m.arch.id, m.id8) for m in front],
                "line": {"color": colour, "width": 1.6, "shape": steps},
                "marker": {"color": colour, "size": 8, "symbol": n // len(RUNS)},
                "hovertemplate": f"<b>%{{text}}</b>  trial %{{customdata[1]}}<br>{figure(across).label} %{{x:.4~g}}<br>"
                f"{figure(up).label} %{{y:.4~g}}<extra>{view.key}</extra>",
            }
        )
    if not any(trace["x"] for trace in traces):
        return empty("None of these runs has a front with both measurements yet")
    names = [f"{figure(a).heading}, {'more' if views[0].comparison.better(a) == 'max' else 'less'} is better" for a in (across, up)]
    axes = {"xaxis": axis(names[0]), "yaxis": axis(names[1])}
    return {"data": traces, "layout": layout(**axes, uirevision=f"{across} {up}", showlegend=True)}


def versus_table(found: Contest) -> list[Any]:
    """Hypervolume from one reference point, coverage both ways, and the training that it took."""
    labels = [c.label for c in found.contenders]
    told = ", ".join(f"{figure(name).label} {figure(name).text(value)}" for name, value in found.reference_values.items())
    best = max(c.volume for c in found.contenders)
    head = html.Tr([html.Th(t, className="num" * (n > 0)) for n, t in enumerate(["Run", "Front", "Hypervolume", "of the best"])])
    lines = [
        html.Tr(
            [
                html.Td(c.label),
                *(html.Td(text, className="num") for text in (str(len(c.front)), f"{c.volume:.5g}", _share(c.volume, best))),
            ]
        )
        for c in found.contenders
    ]
    notes = [html.P(f"Careful: {text}.", className="warn") for text in found.differences]
    covers = html.Tr([html.Th("covers ..."), *(html.Th(label, className="num") for label in labels)])
    rows = [
        html.Tr(
            [html.Td(labels[a]), *(html.Td("" if a == b else _share(share, 1.0), className="num") for b, share in enumerate(line))]
        )
        for a, line in enumerate(found.coverage)
    ]
    return [
        *notes,
        html.Div(html.Table([html.Thead(head), html.Tbody(lines)]), className="scroll"),
        html.P(f"Hypervolume is counted from {told}, a little beyond the worst of all these fronts.", className="note"),
        *_seeds(found),
        html.H3(
            ["Coverage ", html.Span("the part of a column's front that some network of the row equals or beats", className="soft")]
        ),
        html.Div(html.Table([html.Thead(covers), html.Tbody(rows)]), className="scroll"),
        *_effort(found),
    ]


def _effort(found: Contest) -> list[Any]:
    told = effort_table(found)
    if told is None:
        return []
    title, head, lines = told
    first = html.Tr([html.Th(text, className="num" * (n > 0)) for n, text in enumerate(head)])
    rows = [html.Tr([html.Td(text, className="num" * (n > 0)) for n, text in enumerate(line)]) for line in lines]
    kind, _, what = title.partition(": ")
    return [
        html.H3([f"{kind} ", html.Span(what, className="soft")]),
        html.Div(html.Table([html.Thead(first), html.Tbody(rows)]), className="scroll"),
    ]


def _share(value: float, whole: float) -> str:
    return "-" if math.isnan(value) or not whole else f"{value / whole:.0%}".replace("%", " %")


def _seeds(found: Contest) -> list[Any]:
    several = [group for group in found.groups if len(group.contenders) > 1]
    if not several:
        return []
    head = html.Tr([html.Th("Over seeds"), *(html.Th(f"{share:.0%}".replace("%", " %"), className="num") for share in QUARTILES)])
    lines = [html.Tr([html.Td(g.label), *(html.Td(f"{v:.5g}", className="num") for v in spread(g))]) for g in several]
    return [html.Div(html.Table([html.Thead(head), html.Tbody(lines)]), className="scroll")]
