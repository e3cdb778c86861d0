"""An ablation as pictures: ablation.png with the forest plot and accuracy against latency, interactions.png of a factorial."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from report.ablation import LATENCY, Ablation, Row
from report.certain_change import Change
from report.figures import figure
from report.picture import BASELINE, DOT, FRONT, GRID, INK

BAD = "#b3261e"
COLOURS = {"helps": FRONT, "costs nothing": FRONT, "faster": FRONT, "cheaper": FRONT, "hurts": BAD, "slower": BAD, "dearer": BAD}
NUMBERED = 40
"""Points of the scatter that carry their number; of more arms the others are in the forest."""


def write_pictures(found: Ablation, directory: Path) -> Path:
    """ablation.png: above every arm's change with its interval, below the change against latency's. Returns its path."""
    name = found.goal or next(iter(found.columns), "")
    drawn = [row for row in found.shown if name in row.changes]
    placed = [row for row in drawn if found.goal and LATENCY in row.changes and row.changes[LATENCY].percent is not None]
    tall = max(1.6, 0.34 * len(drawn) + 1.1)
    picture = Figure(figsize=(9, tall + (4.4 if placed else 0)), dpi=160, facecolor="white", layout="constrained")
    grid = picture.subplots(2 if placed else 1, height_ratios=[tall, 4.4] if placed else None, squeeze=False)
    _forest(grid[0, 0], drawn, name, found)
    if placed:
        _scatter(grid[1, 0], placed, name, found)
    path = directory / "ablation.png"
    picture.savefig(path)
    return path


def _forest(axes: Axes, drawn: Sequence[Row], name: str, found: Ablation) -> None:
    axes.figure.suptitle(textwrap.fill(found.plan.title, 90), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    _style(axes)
    if not drawn:
        axes.text(0.5, 0.5, "No arm has been trained yet", transform=axes.transAxes, ha="center", color=INK)
        axes.set(xticks=[], yticks=[])
        return
    axes.axvline(0, color=INK, linewidth=0.8)
    for n, row in enumerate(drawn):
        middle, below, above = _ends(row.changes[name])
        colour = COLOURS.get(row.verdict, "#5b6675")
        whole = below or above  # an arm without an interval is drawn hollow
        axes.errorbar(middle, n, xerr=[[below], [above]], fmt="o", color=colour, markersize=5, capsize=2.5, linewidth=1.4,
                      markerfacecolor=colour if whole else "white")  # fmt: skip
        count = row.changes[name].effect.n if row.changes[name].effect else 0
        told = row.verdict + (f" (n = {count})" if count else "")
        axes.text(1.01, n, told, transform=axes.get_yaxis_transform(), va="center", fontsize=8, color=colour)
    axes.set_yticks(range(len(drawn)), [_number(n, row) for n, row in enumerate(drawn)])
    axes.set_ylim(len(drawn) - 0.4, -0.6)
    axes.set_xlabel(f"{_heading(name, found)}\nbars: {found.plan.level:.0%} intervals; hollow: without one", color=INK, fontsize=9)
    axes.grid(axis="y", visible=False)


def _scatter(axes: Axes, placed: Sequence[Row], name: str, found: Ablation) -> None:
    _style(axes)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.axhline(0, color=INK, linewidth=0.8)
    start = "the step before" if found.plan.ordered else found.plan.reference.name
    axes.scatter([0], [0], marker="*", s=150, color=BASELINE, zorder=4, label=start)
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, loc="best")
    for n, row in enumerate(placed):
        middle, below, above = _ends(row.changes[name])
        at, left, right = _percents(row.changes[LATENCY])
        colour = COLOURS.get(row.verdict, "#5b6675")
        axes.errorbar(at, middle, xerr=[[left], [right]], yerr=[[below], [above]], fmt="o", color=colour, markersize=5, linewidth=1)
        if n < NUMBERED:
            axes.annotate(f"{n + 1}", (at, middle), (5, 5), textcoords="offset points", fontsize=9, color=colour)
    axes.set_xlabel("change of latency (%), less is better; numbers as above", color=INK, fontsize=9)
    axes.set_ylabel(_heading(name, found).partition(" from ")[0], color=INK, fontsize=9)
    axes.margins(0.08, 0.1)


def _number(n: int, row: Row) -> str:
    return f"{textwrap.shorten(row.arm.name, 62, placeholder=' ...')}  {n + 1}"


def _heading(name: str, found: Ablation) -> str:
    unit = "points" if figure(name).share else "%" if name not in found.trained else figure(name).unit
    better = found.better.get(name, figure(name).better)
    against = "the step before" if found.plan.ordered else found.plan.reference.name
    told = f"change of {figure(name).label}" + (f" ({unit})" if unit else "")
    return f"{told} from {against}, {'more' if better == 'max' else 'less'} is better"


def _ends(change: Change) -> tuple[float, float, float]:
    """The middle and how far the interval reaches either way; 0 where there is none."""
    if change.effect is None:
        return _percents(change)
    middle = change.absolute
    return (middle, 0.0, 0.0) if change.low is None else (middle, max(0.0, middle - change.low), max(0.0, change.high - middle))


def _percents(change: Change) -> tuple[float, float, float]:
    middle = change.percent or 0.0
    if change.percent_low is None:
        return middle, 0.0, 0.0
    return middle, max(0.0, middle - change.percent_low), max(0.0, change.percent_high - middle)


def _style(axes: Axes) -> None:
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(DOT)
    axes.tick_params(colors=INK, labelsize=8.5)
