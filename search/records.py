"""The log of a run: one JSON event a line in `trials.jsonl`, by one writer, and what a search reads back from it.

`started` (facts of this start), `asked` (on disk before the trial is launched), `rung` (measurements), `ended` (how), `bug` (a
traceback; the trial stays open, so the same command tries it again), `measured` (an ended trial was measured once more),
`finished` (why the run is over). The order of the lines is the order of events: an ask has seen exactly the lines above its own.
"""

import json
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from evaluators.api import Measurements, Outcome, RungResult
from search.asks import Proposal, Record, Records
from search.steady import Steady
from space import Arch

TRIALS = "trials.jsonl"


class Ledger:
    """Folds events, line by line, into records; times as a run can compare them (search/steady.py)."""

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._latest: dict[int, int] = {}  # trial -> the newest ask of its chain
        self._rungs: set[tuple[int, int]] = set()  # (trial, rung) already measured
        self._ends = 0
        self._started: list[Mapping[str, Any]] = []
        self._finished: str | None = None
        self._bugs: list[str] = []
        self._elapsed = 0.0
        self._at: float | None = None  # of the event before
        self._steady = Steady()

    @property
    def records(self) -> Records:
        return Records(tuple(self._records), tuple(self._started), self._finished, tuple(self._bugs), self._elapsed)

    def __getitem__(self, number: int) -> Record:
        return self._records[number]

    def __len__(self) -> int:
        return len(self._records)

    def chain(self, proposal: Proposal) -> int:
        """The trial that a proposal belongs to, were it the next ask: the first of the chain it continues, else the next number."""
        return len(self._records) if proposal.trial is None else self._records[proposal.trial].trial

    def has(self, number: int, rung: int) -> bool:
        return (self._records[number].trial, rung) in self._rungs

    def apply(self, event: Mapping[str, Any]) -> None:
        kind = event["event"]
        self._clock(kind, event.get("at"))
        if kind == "started":
            self._started.append(event)
            self._finished, self._bugs = None, []
        elif kind == "asked":
            self._asked(event)
        elif kind == "rung":
            self._rung(event)
        elif kind == "ended":
            self._update(event["number"], outcome=Outcome(event["kind"], event["reason"]), ended_at=self._ends)
            self._ends += 1
        elif kind == "measured":
            self._measured(event["number"], event["measurements"], event["over"])
        elif kind == "bug":
            self._bugs.append(event["reason"])
        elif kind == "finished":
            self._finished = event["reason"]
        else:
            raise ValueError(f"unknown event '{kind}'; known: asked, bug, ended, finished, measured, rung, started.")

    def _clock(self, kind: str, at: Any) -> None:
        """Count the time since the event before, but for what lies between two starts."""
        if isinstance(at, int | float):
            if self._at is not None and kind != "started":
                self._elapsed += max(0.0, at - self._at)  # a machine's clock may be set back
            self._at = at

    def _asked(self, event: Mapping[str, Any]) -> None:
        assert event["number"] == len(self._records), f"ask {event['number']} logged as number {len(self._records)}"
        arch = Arch(event["arch"]["network"], event["arch"]["arch"])
        proposal = Proposal(arch, event["seed"], event["rung"], event["continues"], event.get("parent"))
        trial = self.chain(proposal)
        before = self._records[self._latest[trial]].measurements if trial in self._latest else {}
        self._records.append(Record(event["number"], proposal, trial, event["ask_s"], measurements=before))
        self._latest[trial] = event["number"]

    def _rung(self, event: Mapping[str, Any]) -> None:
        record = self[event["number"]]
        result = RungResult(event["rung"], self._steady(event["measurements"]))
        self._rungs.add((record.trial, result.rung))
        merged = {**record.measurements, **result.measurements}
        self._update(record.number, results=(*record.results, result), measurements=merged)

    def _measured(self, number: int, measurements: Measurements, over: str) -> None:
        """A second measurement replaces the first in every ask of the trial. One that it finds over a limit was trained in vain."""
        found, trial = self._steady(measurements), self._records[number].trial
        for place, record in enumerate(self._records):
            if record.trial == trial:
                results = [replace(r, measurements={**r.measurements, **found}) if r.rung == 0 else r for r in record.results]
                failed = {"outcome": Outcome("failed", f"over a limit when measured again: {over}")} if over and record.ok else {}
                merged = {**record.measurements, **found}
                self._records[place] = replace(record, results=tuple(results), measurements=merged, **failed)

    def _update(self, number: int, **changes: Any) -> None:
        record = self._records[number]
        assert record.running, f"event for ask {number}, which has ended"
        self._records[number] = replace(record, **changes)


def events(path: Path) -> Iterator[Mapping[str, Any]]:
    """The events of a log in order, without a torn last line. ValueError names a line that is no event."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline was never acted upon
        try:
            event = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}:{number}: not a JSON event ({error}); the log was edited or the disk is damaged") from None
        yield event


def read(run_dir: Path | str) -> Records:
    """The records of a run, without its lock: for reports, also while the run is going on."""
    path = Path(run_dir) / TRIALS
    if not path.is_file():
        raise ValueError(f"{run_dir}: no {TRIALS} here; expected the directory of a run, results/<space>/<run>")
    ledger = Ledger()
    for event in events(path):
        ledger.apply(event)
    return ledger.records


class Log:
    """The one writer of a run's events. Each line is on disk (fsync) when its method returns; a lock refuses a second writer."""

    def __init__(self, run_dir: Path, lock: FileLock):
        self.run_dir = run_dir
        self._lock = lock
        self._path = run_dir / TRIALS
        self._ledger = Ledger()
        if self._path.exists():
            _cut_torn_line(self._path)
            for event in events(self._path):
                self._ledger.apply(event)
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        _sync_directory(run_dir)

    @classmethod
    def open(cls, run_dir: Path | str) -> "Log":
        """Lock the run directory (made if missing) and reread its log. ValueError where another process writes there."""
        directory = Path(run_dir).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        lock = _lock(directory)
        try:
            return cls(directory, lock)
        except BaseException:
            lock.release()
            raise

    def close(self) -> None:
        os.close(self._file)
        self._lock.release()

    def __enter__(self) -> "Log":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def records(self) -> Records:
        return self._ledger.records

    def started(self, facts: Mapping[str, Any]) -> None:
        """Open this start of the run with what a report must know of it: versions, device, commit, command."""
        self._append({"event": "started", **facts})

    def asked(self, proposal: Proposal, *, ask_s: float) -> Record:
        number = len(self._ledger)
        arch = {"network": proposal.arch.network, "arch": proposal.arch.arch}
        event = {"event": "asked", "number": number, "trial": self._ledger.chain(proposal), "continues": proposal.trial}
        event |= {"parent": proposal.parent} if proposal.parent is not None else {}
        event |= {"id": proposal.arch.id, "seed": proposal.seed, "rung": proposal.rung, "ask_s": round(ask_s, 4), "arch": arch}
        self._append(event)
        return self._ledger[number]

    def rung(self, number: int, result: RungResult) -> bool:
        """Enter a finished rung; False, and nothing written, where the trial had it already (adopted after a restart)."""
        if self._ledger.has(number, result.rung):
            return False
        measurements = {name: _finite(value) for name, value in result.measurements.items()}
        self._append({"event": "rung", "number": number, "rung": result.rung, "measurements": measurements})
        return True

    def ended(self, number: int, outcome: Outcome) -> Record:
        assert outcome.kind != "bug", "a bug does not end a trial: log it as a bug"
        self._append({"event": "ended", "number": number, "kind": outcome.kind, "reason": outcome.reason})
        return self._ledger[number]

    def measured(self, number: int, measurements: Measurements, *, over: str = "") -> Record:
        """Enter that an ended trial was measured once more. `over`: the limit that it is found to exceed."""
        found = {name: _finite(value) for name, value in measurements.items()}
        self._append({"event": "measured", "number": number, "measurements": found, "over": over})
        return self._ledger[number]

    def bug(self, number: int, reason: str) -> None:
        self._append({"event": "bug", "number": number, "reason": reason})

    def finished(self, reason: str) -> None:
        self._append({"event": "finished", "reason": reason})

    def _append(self, event: Mapping[str, Any]) -> None:
        line = json.dumps({**event, "at": round(time.time(), 3)}, allow_nan=False) + "\n"
        data = line.encode()
        written = os.write(self._file, data)
        if written != len(data):
            raise OSError(f"{self._path}: only {written} of {len(data)} bytes written; is the disk full?")
        os.fsync(self._file)
        self._ledger.apply(json.loads(line))  # what a reader of the file would see, nothing else


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: such a reading is absent."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _cut_torn_line(path: Path) -> None:
    """Drop what follows the last newline: a line torn by a kill, on which nobody acted."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def _lock(directory: Path) -> FileLock:
    """The run directory's lock. A killed driver's children may hold it for some seconds more: they are waited for."""
    lock, holder = FileLock(directory / ".lock"), directory / ".writer"
    for patience in (0, 30):
        try:
            lock.acquire(timeout=patience)
            holder.write_text(f"{socket.gethostname()} {os.getpid()}")
            return lock
        except Timeout:
            if patience or _alive(holder):
                break
    raise ValueError(f"{directory}: another process writes this run; wait until it ends, or give this one a name (run=other)")


def _alive(holder: Path) -> bool:
    """Whether the process named in the file may live: unknown hosts count as alive."""
    host, _, process = (holder.read_text() if holder.exists() else "").partition(" ")
    return host != socket.gethostname() or not process.isdigit() or _exists(int(process))


def _exists(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
