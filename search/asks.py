"""What was asked and what became of it: a run's records as a strategy sees them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from evaluators.api import Measurements, Outcome, RungResult
from search.index import Index, index
from search.objectives import Objective
from space import Arch


@dataclass(frozen=True)
class Proposal:
    """What to train next: `arch` under `seed` up to `rung`; `trial` is the number of the trial whose checkpoints it continues,
    `parent` of the one whose weights it begins with."""

    arch: Arch
    seed: int
    rung: int
    trial: int | None = None
    parent: int | None = None


@dataclass(frozen=True)
class Record:
    """One ask and what became of it. `trial` is the first ask of its chain: the trial it continues, else its own number.

    `results` are the rungs logged under this number; `measurements` merges them over those of the trial it continues;
    `ended_at` orders the ended ones (None while it runs); `ask_s` is the time the strategy took to propose it.
    """

    number: int
    proposal: Proposal
    trial: int
    ask_s: float = 0.0
    results: tuple[RungResult, ...] = ()
    measurements: Measurements = field(default_factory=dict)
    outcome: Outcome | None = None
    ended_at: int | None = None

    @cached_property
    def in_order(self) -> "Record":
        """Itself, as if asks ended in the order of their numbers: what a strategy with a lag sees. Made once, so that those who
        follow the log find the same record again."""
        return self if self.ended_at == self.number else replace(self, ended_at=self.number)

    @cached_property
    def hidden(self) -> "Record":
        """Itself before anything was known of it."""
        return Record(self.number, self.proposal, self.trial, self.ask_s)

    def has(self, rung: int) -> bool:
        """Whether this ask finished a rung (not those of the trial that it continues)."""
        return any(result.rung == rung for result in self.results)

    def at_rung(self, rung: int) -> "Record":
        """This ask as if it had been made for `rung` at most: what came later is not in it. One that ended without finishing that
        rung failed. Made once, as `in_order` is."""
        if self.proposal.rung <= rung:
            return self
        if rung not in self._earlier:
            self._earlier[rung] = self._cut(rung)
        return self._earlier[rung]

    @cached_property
    def _earlier(self) -> dict[int, "Record"]:
        return {}

    def _cut(self, rung: int) -> "Record":
        kept = tuple(result for result in self.results if result.rung <= rung)
        readings = dict(self.measurements)  # names of later rungs are those of earlier ones
        for result in kept:
            readings |= result.measurements
        outcome = self.outcome
        if outcome is not None and not self.infeasible:
            outcome = Outcome("ok") if self.has(rung) else Outcome("failed", f"rung {rung} was not trained")
        return replace(self, proposal=replace(self.proposal, rung=rung), results=kept, measurements=readings, outcome=outcome)

    @property
    def running(self) -> bool:
        return self.outcome is None

    @property
    def ok(self) -> bool:
        return self.outcome is not None and self.outcome.kind == "ok"

    @property
    def infeasible(self) -> bool:
        return self.outcome is not None and self.outcome.kind == "infeasible"

    @property
    def untrained(self) -> bool:
        """Whether it ended before any training began: over a limit, or failed before anything was measured."""
        return self.infeasible or (self.outcome is not None and self.outcome.kind == "failed" and not self.measurements)


@dataclass(frozen=True)
class Records(Sequence[Record]):
    """A view of the log: the asks in order, record n being ask number n. `started` are the facts of every start;
    `finished` says why the run is over, None while it is not; `bugs` are tracebacks since the last start. `elapsed_s` are the
    seconds that the run has gone on, all starts together.

    What is counted over the records is kept up from ask to ask (search/index.py): read it, do not keep it over the next ask.
    """

    items: tuple[Record, ...] = ()
    started: tuple[Mapping[str, Any], ...] = ()
    finished: str | None = None
    bugs: tuple[str, ...] = ()
    elapsed_s: float = 0.0

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, number: Any) -> Any:
        return self.items[number]

    @property
    def index(self) -> Index:
        return index(self.items)

    @property
    def running(self) -> tuple[Record, ...]:
        return tuple(self.index.running.values())

    @property
    def ended(self) -> Sequence[Record]:
        """The ended ones, in the order in which they ended."""
        return self.index.ended

    @property
    def keys(self) -> Set[tuple[str, int]]:
        """(arch id, seed) of every ask: within one run, which has one schedule, a second of the same is a repeat."""
        return self.index.keys

    def trained(self, last: int, seed: int | None = None) -> int:
        """Trials that count as trained members: asked to train (to any rung where the last one is 0) and not infeasible; of one
        seed, or of all."""
        return self.index.trained(min(1, last), seed)

    def front(self, goals: tuple[Objective, ...], rung: int | None = None) -> list[Record]:
        """The ended-ok records that no other dominates, best of the first objective first. One for each trial: its furthest rung;
        with a `rung` only those that stand there, since accuracies of different rungs do not compare."""
        return self.index.front(goals, rung)

    def due(self, lag: int | None) -> bool:
        """Whether the next ask may be made: with a lag L, ask n waits until 0..n-L have ended."""
        return lag is None or all(number > len(self) - lag for number in self.index.running)

    def lagged(self, lag: int | None) -> "Records":
        """What the next ask, number n, may see: with a lag L the asks above it, but results of 0..n-L only, in order of number.

        So with `lag` at least the number of workers, which trial happens to end first changes nothing.
        """
        if lag is None:
            return self
        known = max(0, len(self) + 1 - lag)
        seen = [record.in_order for record in self.items[:known]]
        hidden = [record.hidden for record in self.items[known:]]
        return replace(self, items=(*seen, *hidden))
