"""What is told of one trial when it is clicked: figures, drawing, curve, and the commands that take it further."""

import shlex
from pathlib import Path
from typing import Any

from dash import dcc, html

from report.dashboard.drawing import drawing
from report.dashboard.table import KINDS
from report.figures import LEADING, figure, percent, signed
from report.front import Network, points_gain
from report.pictures import curves_picture
from report.retrain import to_train
from report.run import Trial
from report.verdict import tone
from report.view import View

GRAPH = {"displaylogo": False, "displayModeBar": False, "responsive": True}


def panel(view: View, number: int | None) -> list[Any]:
    """The panel of trial `number`; how to get one where none is chosen."""
    trial = view.trials.get(number) if number is not None else None
    if trial is None:
        return [
            html.P(
                "Click a trial in a picture or a table: its architecture, curve and commands appear here.", className="soft hint"
            )
        ]
    network = view.networks.get(trial.arch.id)
    baseline = view.run.baseline
    same = baseline is not None and baseline.arch.network == trial.arch.network
    zero = same and baseline.arch.id == trial.arch.id
    differs = (
        "the baseline itself" if zero else "what differs from the baseline is marked" if same else "not the baseline's network"
    )
    return [
        _title(view, trial, network),
        *([html.Div(trial.reason, className="banner small")] if trial.reason else []),
        _figures(view, trial, network),
        html.H3(["Architecture ", html.Span(differs, className="soft")]),
        drawing(trial.arch.arch, baseline.arch.arch if same else None),
        *_curve(view, trial),
        html.H3("Take it further"),
        *_commands(view, trial, network),
    ]


def _title(view: View, trial: Trial, network: Network | None) -> html.Div:
    stands = view.standing(trial)
    place = f", number {network.rank} of {len(view.comparison.front)}" if stands == "front" and network else ""
    return html.Div(
        [
            html.H2([f"Trial {trial.number} ", html.Span(view.name(trial), className="id")]),
            html.Span(KINDS[stands] + place, className=f"badge {stands}"),
            html.Span(f"seed {trial.seed}", className="badge"),
        ],
        className="panel-title",
    )


def _figures(view: View, trial: Trial, network: Network | None) -> html.Table | html.P:
    """Objectives and costs beside the baseline's; of several seeds the means, as on the front."""
    told = network.measurements if network and trial.number in network.trials else trial.measurements
    baseline = view.comparison.baseline
    names = [n for n in dict.fromkeys([*(g.name for g in view.comparison.goals), *LEADING, "memory_mb"]) if told.get(n) is not None]
    if not names:
        return html.P("Nothing has been measured of it yet.", className="soft")
    lines = []
    for name in names:
        value, base = told[name], baseline.measurements.get(name) if baseline else None
        change, look = _change(view, network, name) if network and network is not baseline else ("", "")
        deviation = network.deviation.get(name) if network and trial.number in network.trials else None
        seeds = f" \u00b1 {figure(name).number(deviation)}" if deviation else ""
        cells = [figure(name).label, figure(name).text(value) + seeds, html.Span(change, className=look), figure(name).text(base)]
        lines.append(html.Tr([html.Td(cell, className="num" * (n > 0)) for n, cell in enumerate(cells)]))
    head = html.Thead(html.Tr([html.Th(""), html.Th("this", className="num"), html.Th(""), html.Th("baseline", className="num")]))
    return html.Table([head, html.Tbody(lines)], className="figures")


def _change(view: View, network: Network, name: str) -> tuple[str, str]:
    points = points_gain(name, network, view.comparison.baseline)
    gain = network.gains.get(name)
    if points is None and gain is None:
        return "", ""
    return signed(points, "pt") if points is not None else percent(gain), tone(name, network, view.comparison) or "soft"


def _curve(view: View, trial: Trial) -> list[Any]:
    rungs = [rung for rung in trial.rungs if rung > 0]
    goal = next((g.name for g in view.comparison.goals if any(g.name in trial.rungs[rung] for rung in rungs)), None)
    if goal is None:
        return []
    drawn = curves_picture(view, goal, trial.number)
    drawn["layout"] |= {"height": 230, "margin": {"l": 56, "r": 12, "t": 30, "b": 44}}
    return [html.H3("Curve"), dcc.Graph(figure=drawn, config=GRAPH, style={"height": "230px"})]


def _commands(view: View, trial: Trial, network: Network | None) -> list[Any]:
    """Winners have a file in the run directory; of others the file is saved from here first."""
    kept = view.run.directory / "arches" / f"{network.rank:02d}_{network.id8}.yaml" if network and network.rank else None
    file = shown_path(kept) if kept and kept.is_file() else f"trial_{trial.number}_{trial.arch.id[:8]}.yaml"
    saved = "" if kept and kept.is_file() else " (save it first)"
    run = shlex.quote(shown_path(view.run.directory))
    commands = [("Write the run's report again", f"python -m report {run}")]
    if not view.run.conf.get("table"):  # a recorded training cannot be repeated
        commands.insert(0, ("Retrain by the published recipe" + saved, to_train(view.run, file)))
        commands.insert(0, ("Export it", f"python -m report export {run} --trial {trial.number} --to arch,onnx"))
    told: list[Any] = [html.Button("Save the architecture as YAML", id={"save": "arch"}, className="plain")]
    for n, (title, command) in enumerate(commands):
        code = html.Pre(command, id=f"command-{n}")
        told.append(html.Div([html.Div([title, dcc.Clipboard(content=command, className="copy")], className="soft"), code]))
    return [*told, html.Details([html.Summary("The architecture as YAML"), html.Pre(trial.arch.to_yaml())])]


def shown_path(path: Path) -> str:
    """As it would be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
