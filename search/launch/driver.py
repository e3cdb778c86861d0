"""What every launcher does between an ask and the log: the next proposal, on disk before it is launched; results and ends as lines;
when to stop. A launcher adds only where the jobs run.
"""

import math
import shutil
import time
import traceback
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from evaluators.api import Evaluate, Job, Measurements, Outcome, RungResult
from search.launch.again import AGAIN, due
from search.launch.fence import raise_fence
from search.parent import nearest_trained
from search.progress import Progress
from search.records import Log, Proposal, Record, Records
from search.strategy import Strategy, trial_rng
from space import Space

STREAK = 1000  # infeasible trials in a row that end a run


class TrialError(RuntimeError):
    """An exception in a trial that is no listed failure: ours or a plug-in's mistake. Its text is the traceback."""


def next_proposal(space: Space, strategy: Strategy, records: Records) -> Proposal | None:
    """The ask that follows these records: the whole of what a run does next, and pure.

    None while trials run means wait. With a lag, a strategy that knows no more from what it may see is asked once more when all
    have ended.
    """
    if not records.due(strategy.lag) or streak(records):
        return None
    number = len(records)
    proposal = strategy.ask(space, records.lagged(strategy.lag), trial_rng(strategy.seed, number))
    if proposal is None and strategy.lag is not None and not records.running:
        proposal = strategy.ask(space, records.lagged(1), trial_rng(strategy.seed, number))
    if proposal is None or not strategy.inherit or proposal.trial is not None:
        return proposal
    return replace(proposal, parent=nearest_trained(records.lagged(strategy.lag), proposal))


def streak(records: Records) -> str:
    """Why a run ends early: so many infeasible trials in a row that a limit must be out of reach. Empty otherwise."""
    last = records.ended[-STREAK:]
    if len(last) < STREAK or not last[-1].infeasible or not all(record.infeasible for record in last):
        return ""
    reason = last[-1].outcome.reason
    return (
        f"stopped: {STREAK} architectures in a row are over a limit (the last one: {reason}); raise the limit or narrow the space"
    )


class Driver:
    """One start of a run: relaunches what was asked and not ended, then asks on. The launcher calls `next`, `tell` and `finish`."""

    def __init__(self, space: Space, strategy: Strategy, log: Log, *, progress: Progress):
        self.space, self.strategy, self.log, self.progress = space, strategy, log, progress
        self.token = raise_fence(log.run_dir, progress.note)
        self._waiting = deque(log.records.running)
        self._again: dict[int, Measurements] = {}  # trials that are being measured once more, and what was found
        self._tried: set[int] = set()  # those that were, in this start: one that failed is not tried for ever
        self._idle = False  # asked in vain since the last event: a launcher calls `next` many times while trials run
        for record in log.records:
            if not record.running:
                self._clean(record)
        progress.resumed(log.records)
        self._stands()

    @property
    def running(self) -> bool:
        return bool(self.log.records.running)

    def next(self) -> Record | None:
        """The next trial to launch, on disk already; None: wait while some run, else all is done."""
        if self._waiting:
            record = self._waiting.popleft()
        elif self._idle:
            return None
        elif (record := self._doubted(over=False)) is not None:
            return record
        else:
            started = time.perf_counter()
            proposal = next_proposal(self.space, self.strategy, self.log.records)
            if proposal is None:
                record = None if self.running or self._again else self._doubted(over=True)
                self._idle = record is None
                return record
            record = self.log.asked(proposal, ask_s=time.perf_counter() - started)
        self.progress.asked(record)
        return record

    def _doubted(self, *, over: bool) -> Record | None:
        """An ended trial to measure once more, if any is due."""
        found = due(self.log.records, self.strategy.goals, self.strategy.rung, over=over)
        record = next((record for record in found if record.trial not in self._tried), None)
        if record is not None:
            self._tried.add(record.trial)
            self._again[record.number] = {}
        return record

    def job(self, record: Record) -> Job:
        proposal = record.proposal
        directory = self._directory(record.trial)
        directory.mkdir(parents=True, exist_ok=True)
        if record.number in self._again:
            return Job(proposal.arch, proposal.seed, 0, directory, again=True)
        first = self.log.records[record.trial].proposal  # a trial that is taken further began where its first ask says
        parent = None if first.parent is None else self._directory(first.parent)
        return Job(proposal.arch, proposal.seed, proposal.rung, directory, parent)

    def _directory(self, trial: int) -> Path:
        return self.log.run_dir / "checkpoints" / str(trial)

    def tell(self, number: int, event: RungResult | Outcome) -> None:
        """Enter what a trial yielded. Raises TrialError where it was a bug: the trial stays open, the next start tries it again."""
        self._idle = False
        if number in self._again and not (isinstance(event, Outcome) and event.kind == "bug"):
            self._tell_again(number, event)
        elif isinstance(event, RungResult):
            if self.log.rung(number, event):
                self.progress.rung(self.log.records[number], event.rung)
        elif event.kind == "bug":
            self.log.bug(number, event.reason)
            self._raise(number, event.reason)
        else:
            record = self.log.ended(number, event)
            self._clean(record)
            self._stands()
            self.progress.ended(record)

    def _tell_again(self, number: int, event: RungResult | Outcome) -> None:
        """What a second measurement yields counts once it is whole; where it fails, the first one stands."""
        if isinstance(event, RungResult):
            self._again[number] = event.measurements
            return
        found, before = self._again.pop(number), self.log.records[number]
        who = f"trial {before.trial:>3} {before.proposal.arch.id[:8]} measured again:"
        if event.kind == "failed":
            self.progress.note(f"{who} failed ({event.reason}); the first measurement stands")
        else:
            after = self.log.measured(number, {**found, AGAIN: 1}, over=event.reason)
            was, now = (record.measurements.get("latency_ratio", math.nan) for record in (before, after))
            self.progress.note(f"{who} {now:.3f} of the baseline, {was:.3f} before")
        self._clean(self.log.records[number])
        self._stands()

    def _stands(self) -> None:
        standing = self.strategy.standing(self.space, self.log.records)
        self.progress.stands(standing.done, standing.total, standing.unit)

    def finish(self) -> str:
        """Enter why the run is over, and return it."""
        records = self.log.records
        assert not records.running, "finished with trials running"
        reason = streak(records) or self.strategy.summed_up(self.space, records)
        self._clean_shared()
        self.log.finished(reason)
        return reason

    def _raise(self, number: int, reason: str) -> NoReturn:
        again = "mend it and give the same command again: the run goes on with this trial"
        raise TrialError(f"trial {number} ({self.log.records[number].proposal.arch.id[:8]}): {again}\n{reason}")

    def _clean(self, record: Record) -> None:
        """Delete checkpoints that no ask can continue: all but those of a trial that a strategy may take further."""
        further = self.strategy.continues and record.ok and record.proposal.rung < self.strategy.rung
        busy = any(other.trial == record.trial for other in self.log.records.running)
        if further or busy or (self.strategy.keep and record.ok):
            return
        directory = self._directory(record.trial)
        if self.strategy.inherit and record.ok:  # what it left for others stays: the run may be extended
            for file in directory.glob("rung*"):
                file.unlink(missing_ok=True)
        else:
            shutil.rmtree(directory, ignore_errors=True)

    def _clean_shared(self) -> None:
        """Delete what trials shared (a teacher), unless one of them kept its checkpoints: an ask may take it further."""
        folders = list((self.log.run_dir / "checkpoints").glob("*"))
        if not any(folder.name.isdigit() for folder in folders):
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)


def steps(evaluate: Evaluate, job: Job) -> Iterator[RungResult | Outcome]:
    """A job's events with the contract enforced: rungs, then exactly one outcome; what is raised is a bug with its traceback."""
    try:
        for event in evaluate(job):
            yield event
            if isinstance(event, Outcome):
                return
    except Exception:
        yield Outcome("bug", traceback.format_exc())
    else:
        yield Outcome("bug", f"{evaluate!r} ended without an outcome")
