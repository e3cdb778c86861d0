"""What a run shows while it goes on: a bar for the members, a line for each running trial, and a line kept for each ended one."""

import time
from collections.abc import Iterable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from search.objectives import Objective
from search.records import Record, Records
from search.steady import ratio_of


class Progress:
    """Shown by the launcher's process only. On a terminal bars live below the lines; elsewhere there are plain lines."""

    def __init__(
        self, trials: int, *, goals: tuple[Objective, ...], last: int, columns: Iterable[str] = (), console: Console | None = None
    ):
        """`trials` members are wanted; `last` is the last rung; `columns` are measurements shown beside the objectives."""
        self.console = console or Console()
        self.names = tuple(dict.fromkeys([*(goal.name for goal in goals), *columns]))
        self.trials, self.last = trials, last
        text = TextColumn("{task.description}")
        self._bars = Bars(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=self.console, transient=True)
        self._total = self._bars.add_task("members", total=trials)
        self._tasks: dict[int, int] = {}
        self._done: set[int] = set()
        self._baseline: Record | None = None
        self._since: dict[int, float] = {}
        self._spent: tuple[float, str] | None = None  # of a budget that does not count members, and its unit

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self._bars.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bars.live.is_started:
            self._bars.stop()

    def note(self, text: str) -> None:
        self.console.print(text, style="dim", markup=False, highlight=False, soft_wrap=True)

    def resumed(self, records: Records) -> None:
        """Take up a log: what ended in earlier starts counts as done, without a line."""
        for record in records.ended:
            self._count(record)
        if len(records):
            self.note(f"continuing a run of {len(records)} trials, {len(records.running)} of them to be launched again")

    def stands(self, done: float, total: float, unit: str) -> None:
        """Take up how the budget stands, and what there is to do in all; members count here, when they have ended."""
        self.trials, self._spent = total, None if unit == "members" else (done, unit)
        shown = "members" if self._spent is None else f"{len(self._done)} members, {unit}"
        self._bars.update(self._total, total=total, description=shown, completed=len(self._done) if self._spent is None else done)

    def asked(self, record: Record) -> None:
        label = f"  {self._label(record)}"
        self._since[record.number] = time.monotonic()
        self._tasks[record.number] = self._bars.add_task(label, total=max(1, record.proposal.rung + 1))

    def rung(self, record: Record, rung: int) -> None:
        task = self._tasks[record.number]
        self._bars.update(task, completed=rung + 1, description=f"  {self._label(record)} rung {rung}/{record.proposal.rung}")

    def ended(self, record: Record) -> None:
        self._bars.remove_task(self._tasks.pop(record.number))
        self._count(record)
        took = f"{time.monotonic() - self._since.pop(record.number):.1f} s"
        count = "" if self.console.is_terminal else f"  [{self._told()}]"  # on a terminal the bar says it
        line = f"{self._label(record)}  {self._verdict(record)}  {took}{count}"
        self.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _count(self, record: Record) -> None:
        if record.trial == 0:
            self._baseline = record
        if not record.infeasible and record.proposal.rung >= min(1, self.last):
            self._done.add(record.trial)
        if self._spent is None:
            self._bars.update(self._total, completed=len(self._done))

    def _told(self) -> str:
        """How far the run is, for a line."""
        if self._spent is None:
            return f"{len(self._done)}/{self.trials:g}"
        done, unit = self._spent
        return f"{done:.4g} of {self.trials:g} {unit}"

    def _label(self, record: Record) -> str:
        marks = " baseline" if record.trial == 0 else ""
        marks += f" to rung {record.proposal.rung}" if record.proposal.trial is not None else ""
        return f"trial {record.trial:>3} {record.proposal.arch.id[:8]}{marks}"

    def _verdict(self, record: Record) -> str:
        assert record.outcome is not None
        if not record.ok:
            return f"{record.outcome.kind}: {(record.outcome.reason.strip().splitlines() or [''])[-1]}"
        told = "  ".join(self._reading(record, name) for name in self.names if record.measurements.get(name) is not None)
        return told if record.proposal.rung >= min(1, self.last) else f"measured only  {told}"

    def _reading(self, record: Record, name: str) -> str:
        value = record.measurements[name]
        if not isinstance(value, int | float):
            return f"{name} {value}"
        times = self._times(record, name, value)
        return f"{name} {value:.4g}" + (f" ({100 * (times - 1):+.1f} %)" if times is not None else "")

    def _times(self, record: Record, name: str, value: float) -> float | None:
        """The value as a multiple of the baseline's. Latency's is the ratio that was read in turns, as in the report: the
        baseline's own milliseconds are of another moment, when the machine may have been twice as fast."""
        if self._baseline is None or record.trial == self._baseline.trial:
            return None
        ratio = record.measurements.get(ratio_of(name))
        if isinstance(ratio, int | float):
            return ratio
        base = self._baseline.measurements.get(name)
        return value / base if isinstance(base, int | float) and base else None
