"""The front as a picture for papers and slides: front.png, the first two objectives, drawn by matplotlib."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report.figures import figure
from report.front import Comparison, Network

INK, GRID, DOT, FRONT, BASELINE = "#1f2733", "#e6e9ee", "#a9b4c2", "#0b6e6e", "#c2410c"
TITLE = 70
"""Characters of the title on a line: the run's name, generated from the overrides, may be longer than the picture is wide."""
LABELLED = 12
"""A front with more members than this is numbered at its ends and every few places only."""


def axes_of(comparison: Comparison) -> tuple[str, str]:
    """What is drawn across and up: the second objective and the first; with one objective, parameters across."""
    names = [goal.name for goal in comparison.goals]
    return (names[1] if len(names) > 1 else "params_m"), names[0]


def write_png(comparison: Comparison, path: Path, *, title: str, names: Mapping[str, str]) -> None:
    """Draw the networks of the furthest rung, their front and the baseline. Without any, the picture says so."""
    picture = Figure(figsize=(8, 5), dpi=160, facecolor="white", layout="constrained")
    axes = picture.add_subplot()
    across, up = axes_of(comparison)
    shown = [n for n in comparison.networks if n.rung == comparison.rung and _place(n, across, up)]
    _frame(axes, comparison, title)
    if shown:
        _networks(axes, shown, comparison, across=across, up=up, names=names)
    else:
        axes.text(0.5, 0.5, "No network has been trained yet", transform=axes.transAxes, ha="center", color=INK)
        axes.set(xticks=[], yticks=[])
    picture.draw_without_rendering()  # only now is it known where the labels are
    _keep_inside(axes)
    picture.savefig(path)


def _place(network: Network, across: str, up: str) -> tuple[float, float] | None:
    at = network.measurements.get(across), network.measurements.get(up)
    return at if all(isinstance(value, int | float) for value in at) else None


def _frame(axes: Axes, comparison: Comparison, title: str) -> None:
    across, up = axes_of(comparison)
    axes.set_title(textwrap.fill(title, TITLE), loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    axes.set_xlabel(_heading(across, comparison), color=INK)
    axes.set_ylabel(_heading(up, comparison), color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(DOT)
    axes.tick_params(colors=INK, labelsize=9)


def _heading(name: str, comparison: Comparison) -> str:
    return f"{figure(name).heading}, {'more' if comparison.better(name) == 'max' else 'less'} is better"


def _networks(
    axes: Axes, shown: Sequence[Network], comparison: Comparison, *, across: str, up: str, names: Mapping[str, str]
) -> None:
    baseline = comparison.baseline
    others = [_place(n, across, up) for n in shown if n.rank is None and n is not baseline]
    front = sorted((n for n in shown if n.rank is not None), key=lambda n: _place(n, across, up))
    if others:
        axes.scatter(*zip(*others, strict=True), s=26, color=DOT, linewidths=0, label="other networks")
    if front:
        line = "-" if len(comparison.goals) == 2 else ""  # with more objectives the front is no line in this plane
        axes.plot(
            *zip(*[_place(n, across, up) for n in front], strict=True), line, marker="o", color=FRONT, label="front", zorder=3
        )
    if baseline and (at := _place(baseline, across, up)):
        label = f"baseline ({names[baseline.arch.id]})" if baseline.arch.id in names else "baseline"
        axes.scatter(*at, s=190, marker="*", color=BASELINE, edgecolors="white", zorder=4, label=label)
    labelled = front[:: -(-len(front) // LABELLED) or 1]
    texts = {names.get(n.arch.id, str(n.rank)): _place(n, across, up) for n in labelled if n is not baseline}
    _labels(axes, texts, right=comparison.better(across) == "max", above=comparison.better(up) == "max")
    axes.margins(0.08, 0.1)
    axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")


def _labels(axes: Axes, texts: Mapping[str, tuple[float, float]], *, right: bool, above: bool) -> None:
    """Names beside their points, on the side that the front faces: no network is there."""
    sides = {"ha": "left" if right else "right", "va": "bottom" if above else "top"}
    for text, at in texts.items():
        axes.annotate(text, at, (0, 5 if above else -5), textcoords="offset points", fontsize=8, color=FRONT, **sides)


def _keep_inside(axes: Axes) -> None:
    """Turn a label that runs over the left or right edge to the other side of its point."""
    frame = axes.get_window_extent()
    for label in axes.texts:
        box = label.get_window_extent()
        if box.x0 < frame.x0 or box.x1 > frame.x1:
            label.set_horizontalalignment("left" if box.x0 < frame.x0 else "right")
