"""The main loop on a simulated clock: trainings that take hours are recorded ones, so a whole search runs in seconds.

Asks and records are those of a real run. A job takes the seconds that its rungs took (`train_s`, else one for each epoch); results
are entered in the order of the simulated time, so that a strategy with many asynchronous workers sees what it would see.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from evaluators.api import Evaluate, Job, Outcome, RungResult
from search.launch.driver import TrialError, next_proposal, steps
from search.records import Ledger, Record, Records
from search.spending import price
from search.strategy import Strategy
from space import Space


@dataclass(frozen=True)
class Ended:
    """An ask that has ended: when, and what all asks up to its number have cost, in trainings to the last rung."""

    record: Record
    at_s: float
    charge: float


@dataclass(frozen=True)
class Replay:
    """A search as it went. `ended` is in the order of the simulated time; `charge` is the cost of all asks."""

    records: Records
    ended: tuple[Ended, ...]
    charge: float


def replay(
    space: Space, strategy: Strategy, evaluate: Evaluate, *, workers: int = 1, until: float | None = None, directory: Path = Path()
) -> Replay:
    """Run `strategy` to its end, with so many jobs at a time; or, with `until`, to the first ask that would bring the charge over
    so many full trainings (a strategy that is to know how much it may spend has that as its `budget`).

    `evaluate` is given a folder below `directory` for each trial, which is not made. TrialError where a job has a bug.
    """
    if workers < 1:
        raise ValueError(f"workers: {workers} given; allowed: 1 or more")
    clock = Clock(space, strategy, evaluate, directory, until)
    while True:
        while len(clock.running) < workers and clock.ask():
            pass
        if not clock.running:
            return clock.replay()
        clock.end_next()


class Clock:
    """Jobs on their way, the earliest to end first."""

    def __init__(self, space: Space, strategy: Strategy, evaluate: Evaluate, directory: Path, until: float | None):
        self.space, self.strategy, self.evaluate, self.directory = space, strategy, evaluate, directory
        self.until = float("inf") if until is None else until
        self.ledger = Ledger()
        self.now_s = 0.0
        self.charge = 0.0
        self._enter("started")
        self.running: list[tuple[float, int, Sequence[RungResult | Outcome]]] = []
        self._costs: list[float] = []  # by number
        self._ends: list[tuple[int, float]] = []

    def ask(self) -> bool:
        """Launch what the strategy wants next; False where it wants nothing now."""
        records, strategy = self.ledger.records, self.strategy
        proposal = next_proposal(self.space, strategy, records)
        if proposal is None:
            return False
        whole = float(strategy.rungs[-1]) if strategy.rungs else 1.0
        cost = price(records, proposal, strategy.rungs, strategy.separate) / whole
        if self.charge + cost > self.until * (1 + 1e-9):  # sums of shares
            self.until = 0.0
            return False
        number, trial = len(self.ledger), self.ledger.chain(proposal)
        arch = {"network": proposal.arch.network, "arch": proposal.arch.arch}
        asked = {"number": number, "continues": proposal.trial, "parent": proposal.parent, "ask_s": 0.0, "arch": arch}
        self._enter("asked", **asked, seed=proposal.seed, rung=proposal.rung)
        self._costs.append(cost)
        self.charge += cost
        job = Job(proposal.arch, proposal.seed, proposal.rung, self.directory / str(trial))
        events = list(steps(self.evaluate, job))
        if events[-1].kind == "bug":
            raise TrialError(f"trial {number} ({proposal.arch.id[:8]}):\n{events[-1].reason}")
        heapq.heappush(self.running, (self.now_s + self._seconds(number, events), number, events))
        return True

    def end_next(self) -> None:
        """Enter the results of the job that is the first to end."""
        self.now_s, number, events = heapq.heappop(self.running)
        *rungs, outcome = events
        for result in rungs:
            if not self.ledger.has(number, result.rung):
                self._enter("rung", number=number, rung=result.rung, measurements=result.measurements)
        self._enter("ended", number=number, kind=outcome.kind, reason=outcome.reason)
        if self.ledger[number].untrained:
            self.charge -= self._costs[number]
            self._costs[number] = 0.0
        self._ends.append((number, self.now_s))

    def replay(self) -> Replay:
        costs = list(accumulate(self._costs))
        records = self.ledger.records
        return Replay(records, tuple(Ended(records[number], at_s, costs[number]) for number, at_s in self._ends), self.charge)

    def _enter(self, event: str, **facts: Any) -> None:
        self.ledger.apply({"event": event, "at": self.now_s, **facts})

    def _seconds(self, number: int, events: Sequence[RungResult | Outcome]) -> float:
        """What the rungs that this job adds take."""
        added = [e for e in events[:-1] if isinstance(e, RungResult) and e.rung and not self.ledger.has(number, e.rung)]
        return sum(self._rung_seconds(result) for result in added)

    def _rung_seconds(self, result: RungResult) -> float:
        seconds = result.measurements.get("train_s")
        if isinstance(seconds, int | float):
            return float(seconds)
        before = self.strategy.rungs[result.rung - 2] if result.rung > 1 and not self.strategy.separate else 0
        return float(self.strategy.rungs[result.rung - 1] - before)
