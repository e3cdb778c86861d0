"""The pictures of one run: its front, its progress, its trials' curves. Plain plotly figures; a point's customdata is its trial."""

import itertools
from collections.abc import Sequence
from typing import Any

from report.figures import figure
from report.front import Network
from report.run import Trial
from report.style import BASELINE, DOT, FRONT, KNOWN, OPEN, axis, empty, layout
from report.view import View

BUDGETS = {
    "trials": "Trials ended",
    "epochs": "Epochs trained",
    "training": "Training time (hours, all workers)",
    "elapsed": "Running time (hours)",
}
"""What progress may be drawn over."""
DRAWN = 2000
"""Points that a page draws by itself; of more the graphics card does."""
CURVES = 300
"""Curves drawn at most, beside those that stand out: the newest."""


def heading(view: View, name: str) -> str:
    return f"{figure(name).heading}, {'more' if view.comparison.better(name) == 'max' else 'less'} is better"


def front_picture(view: View, across: str, up: str, chosen: int | None) -> dict[str, Any]:
    """Every finished network; those that another beats are faded, the front has its error bars."""
    comparison = view.comparison
    shown = [n for n in comparison.networks if _valued(n, across, up)]
    if not shown:
        return empty("No network has been trained yet")
    zero = comparison.baseline.arch.id if comparison.baseline else ""
    last = [n for n in shown if n.rung == comparison.rung]
    known = [n for n in last if n.arch.id in view.names and n.arch.id != zero]
    planar = {goal.name for goal in comparison.goals} == {across, up} and len(comparison.goals) == 2
    fade = {"color": DOT, "size": 6}
    less = [n for n in shown if n.rung < comparison.rung]
    rest = [n for n in last if n.rank is None and n.arch.id != zero]
    front = sorted((n for n in last if n.rank is not None), key=lambda n: n.measurements[across])
    lines = {"mode": "lines+markers" if planar else "markers", "line": {"color": FRONT, "width": 2, "shape": "linear"}}
    star = {"color": BASELINE, "size": 17, "symbol": "star", "line": {"color": "#ffffff", "width": 1}}
    rim = {"color": "rgba(0,0,0,0)", "size": 15, "symbol": "diamond", "line": {"color": KNOWN, "width": 2}}
    ring = {"color": "rgba(0,0,0,0)", "size": 22, "line": {"color": "#18202b", "width": 2}}
    picked = [n for n in shown if chosen in view.trials and n.arch.id == view.trials[chosen].arch.id]
    traces = [
        _trace(view, less, across, up, "trained less far", many=True, marker={**fade, "symbol": "circle-open"}, opacity=0.45),
        _trace(view, rest, across, up, "dominated", many=True, marker=fade, opacity=0.55),
        _trace(view, front, across, up, "front", bars=True, marker={"color": FRONT, "size": 9}, **lines),
        _trace(view, known, across, up, "known members", marker=rim),
        _trace(view, [n for n in shown if n.arch.id == zero], across, up, "baseline", bars=True, marker=star),
        _trace(view, picked, across, up, "chosen", marker=ring, hoverinfo="skip", hovertemplate=None, showlegend=False),
    ]
    axes = {"xaxis": axis(heading(view, across)), "yaxis": axis(heading(view, up))}
    return {"data": [t for t in traces if t["x"]], "layout": layout(**axes, uirevision=f"{view.key} {across} {up}")}


def _valued(network: Network, *names: str) -> bool:
    return all(isinstance(network.measurements.get(name), int | float) for name in names)


def _trace(
    view: View, networks: Sequence[Network], across: str, up: str, name: str, *, many: bool = False, bars: bool = False, **look: Any
) -> dict[str, Any]:
    """A group of networks; `many` keeps their hover short, and has thousands drawn by the graphics card."""
    found = {
        "type": "scattergl" if many and len(networks) > DRAWN else "scatter",
        "mode": "markers",
        "name": name,
        "x": [brief(n.measurements[across]) for n in networks],
        "y": [brief(n.measurements[up]) for n in networks],
        "customdata": [n.trials[0] for n in networks],
        "text": [view.names.get(n.arch.id, n.id8) if many else _hover(view, n) for n in networks],
        "hovertemplate": ("<b>%{text}</b>  trial %{customdata}" if many else "%{text}")
        + f"<br>{figure(across).label} %{{x:.4~g}}<br>{figure(up).label} %{{y:.4~g}}<extra></extra>",
        **look,
    }
    if bars:
        for side, measured in (("error_x", across), ("error_y", up)):
            if (error := _error(networks, measured)) is not None:
                found[side] = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 3, "color": look["marker"]["color"]}
                found[side] |= error
    return found


def brief(value: float) -> float:
    """Six digits: more would only make the page heavier."""
    return float(f"{value:.6g}")


def _hover(view: View, network: Network) -> str:
    told = f"<b>{view.names.get(network.arch.id, network.id8)}</b>  trial {network.trials[0]}"
    if network.rank:
        told += f", front {network.rank}"
    changed = [str(change) for change in network.changes[:6]]
    changed += [f"and {len(network.changes) - 6} more"] if len(network.changes) > 6 else []
    return told + "".join(f"<br>{line}" for line in changed)


def _error(networks: Sequence[Network], name: str) -> dict[str, list[float]] | None:
    """How far each bar reaches: the standard deviation over seeds, or the ends of latency's interval. None where nobody has any."""
    up, down = [], []
    for n in networks:
        value, low, high = n.measurements[name], n.measurements.get("latency_low_ms"), n.measurements.get("latency_high_ms")
        if name == "latency_ms" and isinstance(low, int | float) and isinstance(high, int | float):
            up.append(max(0.0, high - value))
            down.append(max(0.0, value - low))
        else:
            up.append(n.deviation.get(name, 0.0))
            down.append(up[-1])
    return {"array": up, "arrayminus": down} if any(up) or any(down) else None


def progress_picture(view: View, over: str) -> dict[str, Any]:
    """Hypervolume of the fully trained networks, as it grew."""
    told = view.progress
    if not told:
        return empty("No network has been fully trained yet")
    grown = [entry["hypervolume"] != before["hypervolume"] for before, entry in itertools.pairwise(told)]
    told = [told[0], *itertools.compress(told[1:], grown), *([] if grown[-1:] == [True] else told[1:][-1:])]  # flat in between
    line = {
        "type": "scatter",
        "mode": "lines",
        "line": {"color": FRONT, "width": 2, "shape": "hv"},
        "x": [entry[over] for entry in told],
        "y": [entry["hypervolume"] for entry in told],
        "customdata": [entry["trial"] for entry in told],
        "hovertemplate": f"{BUDGETS[over]}: %{{x:.4~g}}<br>hypervolume %{{y:.4~g}}<br>trial %{{customdata}}<extra></extra>",
    }
    axes = {"xaxis": axis(BUDGETS[over], rangemode="tozero"), "yaxis": axis("Hypervolume, more is better")}
    return {"data": [line], "layout": layout(**axes, showlegend=False, uirevision=f"{view.key} {over}")}


def curves_picture(view: View, name: str, chosen: int | None) -> dict[str, Any]:
    """A measurement of training, rung by rung; running trials and the chosen one stand out."""
    drawn = [trial for trial in view.run.trials if any(r > 0 and _reading(trial, r, name) is not None for r in trial.rungs)]
    if not drawn:
        return empty("No rung has been trained yet")
    groups: dict[str, list[Trial]] = {"other trials": [], "front": [], "running": [], "chosen": []}
    for trial in drawn:
        stands = view.standing(trial)
        group = "chosen" if trial.number == chosen else {"front": "front", "open": "running"}.get(stands, "other trials")
        groups[group].append(trial)
    groups["other trials"] = groups["other trials"][-CURVES:]
    looks = {"other trials": (DOT, 1, 0.45), "front": (FRONT, 1.5, 0.9), "running": (OPEN, 2, 1), "chosen": ("#18202b", 3, 1)}
    traces = [_curves(view, trials, name, group, *looks[group]) for group, trials in groups.items() if trials]
    axes = {"xaxis": axis("Epochs", rangemode="tozero"), "yaxis": axis(heading(view, name))}
    return {"data": traces, "layout": layout(**axes, uirevision=f"{view.key} {name}")}


def _reading(trial: Trial, rung: int, name: str) -> float | None:
    value = trial.rungs[rung].get(name)
    return float(value) if isinstance(value, int | float) else None


def _curves(
    view: View, trials: Sequence[Trial], name: str, group: str, colour: str, width: float, opacity: float
) -> dict[str, Any]:
    """Many curves as one line with gaps: the picture stays quick."""
    x: list[float | None] = []
    y: list[float | None] = []
    numbers: list[int] = []
    for trial in trials:
        for rung in sorted(r for r in trial.rungs if r > 0):
            if (value := _reading(trial, rung, name)) is not None:
                x.append(view.run.epochs(rung))
                y.append(value)
                numbers.append(trial.number)
        x.append(None)
        y.append(None)
        numbers.append(trial.number)
    hover = f"trial %{{customdata}}, epoch %{{x}}<br>{figure(name).label} %{{y:.4~g}}<extra></extra>"
    look = {"line": {"color": colour, "width": width}, "marker": {"color": colour, "size": 5}, "opacity": opacity}
    return (
        {"type": "scattergl", "mode": "lines+markers", "name": group, "x": x, "y": y, "customdata": numbers}
        | look
        | {"hovertemplate": hover}
    )
