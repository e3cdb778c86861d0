"""Measuring on another machine, before a trial takes its place for training.

A trial is two jobs then: rung 0 where the device is, and the rest where it trains; the second finds in the run directory what the
first one measured. So no place for training stands idle while a measurement waits for the device or goes on, and the device has the
next trial to measure meanwhile.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from evaluators.api import Evaluate, Job, Outcome, RungResult
from search.launch.driver import Driver, steps
from search.launch.fence import hold_fence
from search.records import Record


class Remote(Protocol):
    """Runs rung 0 of jobs elsewhere. `devices`: how many at a time."""

    devices: int

    def start(self, number: int, job: Job) -> None: ...
    def ended(self) -> Iterable[tuple[int, list[RungResult | Outcome]]]: ...


class Elsewhere:
    """Stands between the driver and a launcher: `next` gives what is measured and waits for training."""

    def __init__(self, driver: Driver, remote: Remote):
        self.driver, self.remote = driver, remote
        self._away: dict[int, tuple[Record, Job]] = {}  # number -> what is being measured
        self._ready: deque[Record] = deque()

    @property
    def busy(self) -> bool:
        return bool(self._away or self._ready)

    def next(self) -> Record | None:
        """A trial to train. None: none is ready; where nothing is `busy` and nothing trains, all is done."""
        for number, events in self.remote.ended():
            self._tell(number, events)
        while self._wants_more and (record := self.driver.next()) is not None:
            if record.proposal.trial is not None and not record.outcome:
                self._ready.append(record)  # goes on with a trial that was measured when it began
            else:
                job = self.driver.job(record)
                self._away[record.number] = record, job
                self.remote.start(record.number, job)
        return self._ready.popleft() if self._ready else None

    @property
    def _wants_more(self) -> bool:
        """Beside the next trial to train only as many are under way as there are devices: asked earlier, with less known, a trial
        would wait for a place."""
        return len(self._away) < self.remote.devices and len(self._away) + len(self._ready) <= self.remote.devices

    def _tell(self, number: int, events: list[RungResult | Outcome]) -> None:
        """Enter what was measured; a trial that is to train and may is not over with it."""
        record, job = self._away.pop(number)
        for event in events:
            if isinstance(event, Outcome) and event.kind == "ok" and job.rung > 0:
                self._ready.append(record)
            else:
                self.driver.tell(number, event)


def measured(job: Job, evaluate: Evaluate, run_dir: Path, token: str) -> list[RungResult | Outcome]:
    """Rung 0 of a job, in a worker of the node that measures."""
    hold_fence(run_dir, token)
    return list(steps(evaluate, replace(job, rung=0)))
