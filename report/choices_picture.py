"""What was chosen and what came of it: parallel coordinates over choices, and how much each choice matters."""

from collections.abc import Sequence
from typing import Any

from report.figures import figure
from report.importance import Importance
from report.style import FRONT, SCALE, axis, empty, layout
from report.view import View
from space.places import INACTIVE

SPREAD = 0.3
"""Width of an option on its axis: lines through one point would hide how many they are."""
LABEL = 26
"""Characters of a place or an option that fit over an axis."""


def parallel_picture(view: View, places: Sequence[str], name: str) -> dict[str, Any]:
    """A line for each finished network, through its options and on to the objectives; its colour is measurement `name`."""
    networks = view.comparison.networks
    kept = [n for n, network in enumerate(networks) if isinstance(network.measurements.get(name), int | float)]
    if len(kept) < 2 or not view.choices:
        return empty("Too few networks have been trained to compare their choices")
    values = [networks[n].measurements[name] for n in kept]
    goals = dict.fromkeys([name, *(goal.name for goal in view.comparison.goals)])
    dimensions = [_options(place, [view.choices[place][n] for n in kept]) for place in places if place in view.choices]
    dimensions += [
        {"label": short(figure(goal).heading), "values": [networks[n].measurements.get(goal) for n in kept]} for goal in goals
    ]
    worse_first = view.comparison.better(name) == "max"
    bar = {"title": {"text": figure(name).heading, "side": "right"}, "thickness": 12, "outlinewidth": 0}
    line = {"color": values, "colorscale": SCALE, "reversescale": not worse_first, "showscale": True, "colorbar": bar}
    line |= _range(values)
    look = {"labelfont": {"size": 12, "color": "#18202b"}, "tickfont": {"size": 11}, "rangefont": {"size": 10}, "labelangle": -14}
    lines = {"type": "parcoords", "dimensions": dimensions, "line": line, **look, "unselected": {"line": {"opacity": 0.04}}}
    return {"data": [lines], "layout": layout(margin={"l": 80, "r": 40, "t": 96, "b": 30}, uirevision=f"{view.key} {places}")}


def _range(values: Sequence[float]) -> dict[str, float]:
    """Colours over the middle nine tenths, so that one outlier does not take them all."""
    ordered = sorted(values)
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    return {"cmin": low, "cmax": high} if low < high else {}


def _options(place: str, values: Sequence[str]) -> dict[str, Any]:
    """An axis of options in their order, numbers by size; `-` is where the place does not exist."""
    options = sorted(set(values), key=_order)
    at = {option: n for n, option in enumerate(options)}
    ticks = {"tickvals": list(range(len(options))), "ticktext": [short(option) for option in options]}
    spread = [at[value] + SPREAD * ((n * 0.618034) % 1 - 0.5) for n, value in enumerate(values)]
    return {"label": short(place), "values": spread, "range": [-SPREAD, len(options) - 1 + SPREAD], **ticks}


def _order(option: str) -> tuple[int, float, str]:
    if option == INACTIVE:
        return 0, 0.0, ""
    try:
        return 1, float(option), ""
    except ValueError:
        return 2, 0.0, option


def short(text: str) -> str:
    """The end of a long name says more than its beginning."""
    return text if len(text) <= LABEL else "..." + text[3 - LABEL :]


def importance_picture(importance: Importance) -> dict[str, Any]:
    """Bars, the most important choice at the top."""
    shares = [(place, share) for place, share in reversed(importance.shares) if share >= 0.002]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [place for place, _ in shares],
        "x": [100 * share for _, share in shares],
        "marker": {"color": FRONT},
        "hovertemplate": "%{y}: %{x:.1f} %<extra></extra>",
    }
    axes = {"xaxis": axis("Share of the variance (%)", rangemode="tozero"), "yaxis": axis("", ticksuffix="  ")}
    return {"data": [bars], "layout": layout(**axes, showlegend=False, bargap=0.35, margin={"l": 20, "r": 20, "t": 8, "b": 46})}
