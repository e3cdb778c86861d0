"""The front as papers and pull requests take it: report.md (the run in Markdown) and front.tex (a booktabs table)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from report.cell import change_text
from report.figures import figure
from report.front import Comparison, Network
from report.html import made
from report.latex import PARAGRAPH, floating, tex
from report.names import called
from report.run import Run
from report.table import columns, standing, told_changes

FAILURES = 20
"""Failed and refused trials that report.md lists; trials.jsonl has all of them."""


@dataclass(frozen=True)
class Cell:
    """A figure: its value, how far it may be off ('' where that is not known), its change, and whether no other of the table is
    better."""

    value: str
    spread: str = ""
    change: str = ""
    best: bool = False


@dataclass(frozen=True)
class Line:
    """A network of the table, the baseline first."""

    name: str
    changes: str
    seeds: int
    cells: tuple[Cell, ...]


def lines(comparison: Comparison, names: Mapping[str, str]) -> list[Line]:
    """The baseline, where it was measured, and the front in order of rank."""
    baseline = comparison.baseline
    front = [n for n in comparison.front if baseline is None or n.arch.id != baseline.arch.id]
    networks = ([baseline] if baseline else []) + front
    shown = [name for name in columns(comparison) if figure(name).compared]
    best = {name: _best(name, networks, comparison) for name in shown}
    return [
        Line(
            called(n, names),
            "baseline" if n is baseline else told_changes(n, 3),
            len(n.trials),
            tuple(_cell(name, n, comparison, best=best[name]) for name in shown),
        )
        for n in networks
    ]


def _best(name: str, networks: Sequence[Network], comparison: Comparison) -> str | None:
    """As it is written, so that figures that read alike are bold alike; None where they all do."""
    values = {n.arch.id: value for n in networks if isinstance(value := n.measurements.get(name), int | float)}
    if not values:
        return None
    written = figure(name).number((max if comparison.better(name) == "max" else min)(values.values()))
    return written if any(figure(name).number(value) != written for value in values.values()) else None


def _cell(name: str, network: Network, comparison: Comparison, *, best: str | None) -> Cell:
    value = network.measurements.get(name)
    if not isinstance(value, int | float):
        return Cell("-")
    written = figure(name).number(value)
    return Cell(written, _spread(name, network), change_text(name, network, comparison), written == best)


def _spread(name: str, network: Network) -> str:
    """The standard deviation over seeds; of one latency the wider half of its interval."""
    if name in network.deviation:
        return figure(name).number(network.deviation[name])
    middle, low, high = (network.measurements.get(key) for key in ("latency_ms", "latency_low_ms", "latency_high_ms"))
    if name != "latency_ms" or not all(isinstance(value, int | float) for value in (middle, low, high)):
        return ""
    return figure(name).number(max(high - middle, middle - low))


def heads(comparison: Comparison) -> list[str]:
    return [figure(name).heading for name in columns(comparison) if figure(name).compared]


def write_tex(comparison: Comparison, path: Path, *, title: str, names: Mapping[str, str]) -> None:
    """front.tex: best figures bold, behind them the standard deviation over seeds, or half the interval of a single latency."""
    rows = [_tex_row(line) for line in lines(comparison, names)]
    first = 1 if comparison.baseline else 0
    head = " & ".join(["Network", "Seeds", *map(tex, heads(comparison)), "Changed"]) + r" \\"
    body = [head, r"\midrule", *rows[:first], *([r"\midrule"] if first and rows[first:] else []), *rows[first:]]
    shape = "lr" + "r" * len(heads(comparison)) + PARAGRAPH
    caption = tex(f"{title}: the front against the baseline. Bold: the best of the table.")
    note = r" $\pm$: standard deviation over seeds; of a latency measured once, half its interval."
    path.write_text(floating(caption + note, shape, body), encoding="utf-8")


def _tex_row(line: Line) -> str:
    figures = []
    for cell in line.cells:
        value = rf"\textbf{{{tex(cell.value)}}}" if cell.best else tex(cell.value)
        figures.append(value + (rf" $\pm$ {tex(cell.spread)}" if cell.spread else ""))
    return " & ".join([tex(line.name), str(line.seeds), *figures, tex(line.changes)]) + r" \\"


def write_markdown(run: Run, comparison: Comparison, path: Path, *, names: Mapping[str, str]) -> None:
    """report.md: how the run stands, its front beside front.png, what failed, and how it was made."""
    rows = [["Network", "Seeds", *heads(comparison), "Changed"], *(_markdown_row(line) for line in lines(comparison, names))]
    told = [["---", "---:", *("---:" for _ in heads(comparison)), "---"]]
    table = ["| " + " | ".join(map(_cell_safe, row)) + " |" for row in [rows[0], *told, *rows[1:]]]
    parts = [f"# {run.name}", "", standing(run, comparison), "", "## The front against the baseline", ""]
    if len(rows) > 1:
        parts += [
            *table,
            "",
            "Bold: the best of the table. +-: standard deviation over seeds; of a latency measured once, half its interval.",
        ]
        parts += ["", "![The front](front.png)"]
    else:
        parts += ["No network has been measured in every objective yet."]
    if refused := [t for t in run.trials if t.kind in ("failed", "infeasible")]:
        parts += ["", "## What failed or was over a limit", ""]
        parts += [f"- trial {t.number}: {' '.join(t.reason.split())}" for t in refused[:FAILURES]]
        parts += [f"- and {len(refused) - FAILURES} more" for _ in [0] if len(refused) > FAILURES]
    parts += ["", "## How this was made", "", *(f"- {term}: {value}" for term, value in made(run)), ""]
    path.write_text("\n".join(parts), encoding="utf-8")


def _markdown_row(line: Line) -> list[str]:
    figures = []
    for cell in line.cells:
        value = f"**{cell.value}**" if cell.best else cell.value
        change = cell.change.replace(" (", ", ").rstrip(")")
        figures.append(value + (f" +- {cell.spread}" if cell.spread else "") + (f" ({change})" if change else ""))
    return [line.name, str(line.seeds), *figures, line.changes]


def _cell_safe(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
