"""What `python -m report compare` shows: a table on the console, compare.png, and compare.html with both."""

import base64
import html
import io
import itertools
import math
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from report.compare import Contest, Group, spread
from report.figures import figure
from report.picture import DOT, GRID, INK
from search.pareto import Point

COLOURS = ("#0b6e6e", "#c2410c", "#6d4aa3", "#1d5fa8", "#8a5a00", "#b3266f", "#3f7d20", "#5b6675")
FOLDER = Path(__file__).parent
EFFORT = "Training: epochs until the row had the hypervolume that the column ended with"


def tables(found: Contest) -> list[tuple[str, list[str], list[list[str]]]]:
    """Every table: what it shows, its head, its lines."""
    best = max(c.volume for c in found.contenders)
    labels = [c.label for c in found.contenders]
    volumes = [
        [c.label, str(len(c.front)), f"{c.volume:.5g}", share(c.volume / best if best else math.nan)] for c in found.contenders
    ]
    told = [(f"Hypervolume, from {reference_text(found)}", ["run", "front", "hypervolume", "of the best"], volumes)]
    groups = [g for g in found.groups if len(g.contenders) > 1]
    if groups:
        lines = [[g.label, *(f"{value:.5g}" for value in spread(g))] for g in groups]
        told.append(("Hypervolume over seeds", ["group", "a quarter below", "median", "a quarter above"], lines))
    if len(labels) > 1:
        lines = [[labels[a], *("" if a == b else share(c) for b, c in enumerate(row))] for a, row in enumerate(found.coverage)]
        told.append(("Coverage: the part of a column's front that the row equals or beats", ["covers", *labels], lines))
    return [*told, trained] if (trained := effort_table(found)) else told


def effort_table(found: Contest) -> tuple[str, list[str], list[list[str]]] | None:
    """Whose training found as much as whose, and how soon; None of one run, and where nothing was trained."""
    if len(found.contenders) < 2 or not found.training:
        return None
    lines = []
    for a in found.contenders:
        until = [found.epochs_until(a, b) for b in found.contenders]
        lines.append([a.label, *("-" if epochs is None else f"{epochs:g}" for epochs in until), f"{a.effort.epochs:g}"])
    return EFFORT, ["epochs of", *(c.label for c in found.contenders), "in all"], lines


def share(part: float) -> str:
    return "-" if math.isnan(part) else f"{part:.0%}".replace("%", " %")


def reference_text(found: Contest) -> str:
    return ", ".join(f"{figure(name).label} {figure(name).text(value)}" for name, value in found.reference_values.items())


def contest_text(found: Contest) -> str:
    """The tables for the console, and what keeps figures from comparing."""
    console = Console(width=120, highlight=False)
    with console.capture() as captured:
        for title, head, lines in tables(found):
            drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
            for n, heading in enumerate(head):
                drawn.add_column(heading, justify="right" if n else "left", overflow="fold")
            for line in lines:
                drawn.add_row(*line)
            console.print(drawn)
        for text in found.differences:
            console.print(f"Careful: {text}.", style="yellow")
    return captured.get().rstrip()


def write_compare_png(found: Contest, path: Path | io.BytesIO) -> None:
    """The fronts as steps, and of groups of seeds the surface that half of their runs attain, with the quartiles as a band. Beside
    them, where anything was trained, the hypervolume over the epochs that it took."""
    picture = Figure(figsize=(13.5, 5.2) if found.training else (8.5, 5.2), dpi=160, facecolor="white", layout="constrained")
    axes = _axes(picture, 1 + found.training, 1)
    if len(found.goals) < 2:
        axes.text(0.5, 0.5, "One objective: there is no front to draw", transform=axes.transAxes, ha="center", color=INK)
    else:
        for goal, write in zip(reversed(found.goals[:2]), (axes.set_xlabel, axes.set_ylabel), strict=True):
            write(f"{figure(goal.name).heading}, {'more' if goal.direction == 'max' else 'less'} is better", color=INK)
        for n, group in enumerate(found.groups):
            _draw(axes, found, group, COLOURS[n % len(COLOURS)])
        axes.legend(frameon=False, fontsize=9, labelcolor=INK, loc="best")
    if found.training:
        beside = _axes(picture, 2, 2)
        beside.set_xlabel("Epochs trained by then", color=INK)
        beside.set_ylabel("Hypervolume, more is better", color=INK)
        for n, group in enumerate(found.groups):
            _draw_effort(beside, group, COLOURS[n % len(COLOURS)])
        beside.set_xlim(left=0)
        beside.set_ylim(bottom=0)
    picture.savefig(path, format="png")


def _axes(picture: Figure, columns: int, place: int) -> Axes:
    axes = picture.add_subplot(1, columns, place)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(DOT)
    axes.tick_params(colors=INK, labelsize=9)
    return axes


def _draw_effort(axes: Axes, group: Group, colour: str) -> None:
    """A line for each run, up with every network that the front gained, and on to the end of the run."""
    for contender in group.contenders:
        steps = [(0.0, 0.0), *contender.effort.steps]
        x, y = zip(*steps, (contender.effort.epochs, steps[-1][1]), strict=True)
        axes.plot(x, y, color=colour, linewidth=1.6, drawstyle="steps-post", alpha=0.6 if len(group.contenders) > 1 else 1)


def _draw(axes: Axes, found: Contest, group: Group, colour: str) -> None:
    if group.surfaces:
        low, middle, high = (_steps(found, surface) for surface in group.surfaces.values())
        for edge in (low, high):
            axes.plot(*edge, color=colour, linewidth=0.9, linestyle=":")
        axes.plot(*middle, color=colour, linewidth=2, label=f"{group.label}: attained by half, and by a quarter and three quarters")
    else:
        axes.plot(
            *_steps(found, group.contenders[0].points, planar=len(found.goals) == 2), color=colour, linewidth=1.6, label=group.label
        )
    for contender in group.contenders:
        x, y = ([found.goals[k].sign * at[k] for at in contender.points] for k in (1, 0))
        axes.scatter(x, y, s=16, color=colour, alpha=0.45 if group.surfaces else 1, linewidths=0)


def _steps(found: Contest, corners: tuple[Point, ...], *, planar: bool = True) -> tuple[list[float], list[float]]:
    """What is attained, as a line across (second objective) and up (first): flat from each corner to the next."""
    first, second = found.goals[:2]
    x, y = [], []
    for at, after in itertools.zip_longest(corners, corners[1:]):
        x.append(second.sign * at[1])
        y.append(first.sign * at[0])
        if after is not None and planar:
            x.append(second.sign * at[1])
            y.append(first.sign * after[0])
    return (x, y) if planar else ([], [])


def write_compare_html(found: Contest, path: Path) -> Path:
    """One file with the tables and the picture; it needs nothing else."""
    image = io.BytesIO()
    write_compare_png(found, image)
    css = (FOLDER / "page.css").read_text()
    careful = "".join(f'<div class="banner">{html.escape(text)}.</div>' for text in found.differences)
    drawn = f'<img class="drawn" alt="The fronts" src="data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}">'
    body = "".join(f"<h2>{html.escape(title)}</h2>{_table(head, lines)}" for title, head, lines in tables(found))
    runs = ", ".join(c.label for c in found.contenders)
    path.write_text(
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Runs compared - Paredown</title><link rel="icon" href="data:,">
<style>{css}</style></head><body>
<header><div><div class="brand">Paredown</div><h1>Runs compared</h1><div class="soft">{html.escape(runs)}</div></div></header>
<main>{careful}<div class="panel">{drawn}</div>{body}</main></body></html>
""",
        encoding="utf-8",
    )
    return path


def _table(head: list[str], lines: list[list[str]]) -> str:
    def row(cells: list[str], tag: str) -> str:
        return "".join(f"<{tag}{' class=num' if n else ''}>{html.escape(cell)}</{tag}>" for n, cell in enumerate(cells))

    body: Any = "".join(f"<tr>{row(line, 'td')}</tr>" for line in lines)
    return f'<div class="panel scroll"><table><thead><tr>{row(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'
