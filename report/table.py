"""The front on the console: each winner against the baseline."""

import shutil

from rich.console import Console
from rich.table import Table
from rich.text import Text

from report.fidelity import agreements, warning
from report.figures import LEADING, chance, figure, percent, signed
from report.front import Comparison, Network, points_gain
from report.run import Run
from report.verdict import tone, unlearned_text

SHOWN = 15
"""A longer front is cut here; front.csv has all of it."""


def columns(comparison: Comparison) -> list[str]:
    """The measurements that tables show: the costs and the start from trained weights where there are any, then the objectives."""
    networks = [*comparison.networks, *([comparison.baseline] if comparison.baseline else [])]
    measured = [name for name in LEADING if any(network.measurements.get(name) for network in networks)]
    return list(dict.fromkeys([*measured, *(goal.name for goal in reversed(comparison.goals))]))


def summary_text(run: Run, comparison: Comparison, names: dict[str, str]) -> str:
    """A table of the front, how the trials ended, and how to go on where it is unfinished; coloured on a terminal."""
    width = max(100, shutil.get_terminal_size((120, 24)).columns)
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        if comparison.front:
            console.print(_table(comparison, names, run))
        for told in (unlearned_text(comparison), warning(run, agreements(run))):
            if told:
                console.print(Text(told, style="yellow"))
        console.print(Text(standing(run, comparison), style="dim" if run.finished else "yellow"))
        if not run.finished and run.command:
            console.print(Text(f"Continue with: {run.command}", style="yellow"), soft_wrap=True)
    return captured.get().rstrip()


def standing(run: Run, comparison: Comparison) -> str:
    """One sentence on how the run stands."""
    words = {"ok": "finished", "measured": "measured only", "infeasible": "over a limit", "failed": "failed", "open": "open"}
    told = ", ".join(f"{run.count(kind)} {word}" for kind, word in words.items() if run.count(kind) or kind == "ok")
    state = f"Finished: {run.finished}." if run.finished else "Unfinished."
    front = f" Front: {len(comparison.front)} of {len(comparison.networks)} networks." if comparison.networks else ""
    return f"{state} {len(run.trials)} trials: {told}.{front}"


def _table(comparison: Comparison, names: dict[str, str], run: Run) -> Table:
    table = Table(
        title=f"{run.name}: the front against the baseline", title_justify="left", title_style="bold", header_style="bold"
    )
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("network", no_wrap=True)
    shown = [name for name in columns(comparison) if figure(name).compared]  # the page has room for the others
    for name in shown:
        table.add_column(figure(name).label, justify="right", no_wrap=True)
    if comparison.sure:
        table.add_column("undominated", justify="right", no_wrap=True)
    table.add_column("changed", overflow="fold", ratio=1)
    if comparison.baseline:
        cells = [figure(name).text(comparison.baseline.measurements.get(name)) for name in shown] + [""] * comparison.sure
        called = names.get(comparison.baseline.arch.id, comparison.baseline.id8)
        table.add_row("", called, *cells, Text("baseline", style="dim"), end_section=True)
    notes = []
    for network in comparison.front[:SHOWN]:
        cells: list[Text | str] = [_cell(name, network, comparison) for name in shown]
        cells += [chance(network.undominated)] if comparison.sure else []
        table.add_row(str(network.rank), names.get(network.arch.id, network.id8), *cells, Text(told_changes(network), style="dim"))
    if len(comparison.front) > SHOWN:
        notes.append(f"{len(comparison.front) - SHOWN} more in front.csv")
    if "latency_ms" in shown and any("latency_ratio" in network.measurements for network in comparison.front):
        notes.append("Latency: the ratio to the baseline, read in turns with it, times what the baseline takes as a rule.")
    if comparison.sure:
        notes.append("Undominated: the probability, given the spread over seeds, that no other network beats it in everything.")
    table.caption, table.caption_justify = "\n".join(notes) or None, "left"
    return table


def _cell(name: str, network: Network, comparison: Comparison) -> Text:
    value = figure(name).text(network.measurements.get(name))
    if comparison.baseline is None or network.arch.id == comparison.baseline.arch.id:
        return Text(value)
    points = points_gain(name, network, comparison.baseline)
    told = signed(points, "pt") if points is not None else percent(network.gains.get(name))
    return Text.assemble(value, " ", (told, {"good": "green", "bad": "red"}.get(tone(name, network, comparison), "dim")))


def told_changes(network: Network, most: int = 2) -> str:
    """The first few changes on one line, and how many more there are."""
    first = "; ".join(map(str, network.changes[:most]))
    return first + (f"; and {len(network.changes) - most} more" if len(network.changes) > most else "") if first else "nothing"
