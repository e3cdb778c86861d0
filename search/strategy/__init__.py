"""What to try next. A strategy is a frozen dataclass of its options whose only method, `ask`, is pure: what it returns depends on
the space, the records and the random generator it is given, so a run is resumed by rereading its log and any ask can be replayed.
A new strategy is a file here and a yaml in conf/search.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random  # by name: the strategy `random` becomes an attribute of this package
from typing import ClassVar, Self

from registry import Registry, import_siblings
from search.confirm import confirmations
from search.objectives import Objective, objectives
from search.records import Proposal, Records
from search.spending import Budget
from space import Arch, Space

STRATEGIES: Registry[type["Strategy"]] = Registry("strategy")
DRAWS = 100  # samples in a row that are all known before the neighbours of what is known are looked at


def trial_rng(seed: int, number: int) -> Random:
    """The generator of ask `number`: the same in every process and after every resume."""
    return Random(f"{seed}/{number}")


@dataclass(frozen=True)
class Standing:
    """So much done of a total. What runs is spent already, except of members, which count when they have ended."""

    done: float
    total: float
    unit: str


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What every strategy shares: the budget, what is optimised, and the opening (the baseline, then the known members).

    Subclasses say in `member` which unseen architecture follows; one that is more than a sequence of members overrides `ask`, and
    asks `affordable` of each proposal before it makes it. `continues` tells the launcher whether a finished trial may be continued
    later, so that its checkpoints must stay.
    """

    trials: int = 12  # members to train, the baseline included; infeasible ones do not count
    budget: str = ""  # instead of `trials`: "40 epochs", "25 full" (trainings to the last rung), "12 trials" or "1.5 hours"
    baseline: bool = True  # the space's baseline and the known members first: reports compare with trial 0
    confirm: int = 0  # trainings, each under another seed, of members of the front that are too close to call; 0, 1: no more
    seed: int = 0  # of the strategy's draws and of every training
    objectives: dict[str, str] = field(default_factory=lambda: {"accuracy": "max", "latency_ms": "min"})
    limits: dict[str, float] = field(default_factory=dict)  # upper bounds on measurements that cost no training
    lag: int | None = None  # ask n sees results 0..n-lag only: with lag >= workers a run is the same every time
    rungs: list[int] = field(default_factory=list)  # epochs at rung 1, 2 ...: the schedule's, filled in by config.py
    separate: bool = False  # each rung is a training of its own, as in recorded tables; filled in by config.py
    inherit: bool = False  # each candidate begins with the weights of the nearest trained one: init=parent, filled in by config.py
    keep: bool = False  # keep the checkpoints of ended trials although nothing continues them

    continues: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"search.trials: {self.trials} given; allowed: 1 or more")
        if self.budget:
            Budget.parse(self.budget)
        if self.confirm < 0:
            raise ValueError(f"search.confirm: {self.confirm} given; allowed: 0 (none), or the trainings of each")
        if self.lag is not None and self.lag < 1:
            raise ValueError(f"search.lag: {self.lag} given; allowed: null, or 1 or more")
        for name, limit in self.limits.items():
            if not limit > 0:
                raise ValueError(f"search.limits.{name}: {limit} given; allowed: a number above 0")
        objectives(self.objectives)

    @property
    def goals(self) -> tuple[Objective, ...]:
        return objectives(self.objectives)

    @property
    def rung(self) -> int:
        """The last rung, where members are compared."""
        return len(self.rungs)

    @property
    def bound(self) -> Budget:
        """What ends the search: the budget where there is one, else so many trials. Trainings under other seeds are no members."""
        return Budget.parse(self.budget, self.seed) if self.budget else Budget(self.trials, "trials", self.seed)

    def total(self, space: Space) -> int:
        """How many members a whole run trains, at most where the budget is not in trials: what progress is shown against."""
        bound = self.bound
        if bound.unit == "trials":
            return math.floor(bound.amount)
        most = bound.amount * (self.rungs[-1] if bound.unit == "full" else 1) / self.rungs[-1] if self.rungs else 0
        return max(1, math.floor(most)) if bound.unit in ("full", "epochs") else self.trials

    def ask(self, space: Space, records: Records, rng: Random) -> Proposal | None:
        """The next proposal. None while trials run means wait; None with none running means that nothing is left to do."""
        arch = None
        if self.affordable(records, self.propose(space.baseline)):  # each member costs the same: no need to choose one first
            arch = self.unseen(self.opening(space), records) or self.member(space, records, rng)
        return self.confirmation(records) if arch is None else self.propose(arch)

    def affordable(self, records: Records, *proposals: Proposal) -> bool:
        """Whether these may be made: what is left of the budget pays for them, and for the confirmations that are due as things
        stand. A dearer proposal may be out of reach while a cheaper one is not."""
        reserved = [] if self.confirm < 2 or proposals[0].seed != self.seed else self.confirmations(records)
        if reserved and self.bound.unit == "hours":
            each = records.elapsed_s / 3600 / max(1, records.trained(self.rung))
            return self.bound.amount - records.elapsed_s / 3600 > len(reserved) * each
        return self.bound.pays(records, [*proposals, *reserved], self.rungs, self.separate)

    def confirmations(self, records: Records) -> list[Proposal]:
        """The trainings under other seeds that are due."""
        if self.confirm < 2:
            return []
        return confirmations(records, self.goals, last=self.rung, seed=self.seed, trainings=self.confirm)

    def confirmation(self, records: Records) -> Proposal | None:
        """The next of them; none before the members have ended, which decide what the front is."""
        if self.confirm < 2 or any(record.proposal.seed == self.seed for record in records.running):
            return None
        due = self.confirmations(records)
        return due[0] if due and self.affordable(records, due[0]) else None

    def standing(self, space: Space, records: Records) -> "Standing":
        """How much of the budget is spent."""
        bound = self.bound
        if bound.unit == "trials":
            own, every = (records.trained(self.rung, seed) for seed in (self.seed, None))
            more = len(self.confirmations(records)) if own >= self.total(space) else 0
            return Standing(every, self.total(space) + every - own + more, "members")
        return Standing(bound.spent(records, self.rungs, self.separate), bound.amount, bound.unit)

    def summed_up(self, space: Space, records: Records) -> str:
        """What the run came to, once it is over."""
        own, every = (records.trained(self.rung, seed) for seed in (self.seed, None))
        members = f"{own} members trained" + (f", {every - own} trainings more to confirm" if every > own else "")
        standing = self.standing(space, records)
        return members if standing.unit == "members" else f"{members}, {standing.done:.4g} of {standing.total:g} {standing.unit}"

    def member(self, space: Space, records: Records, rng: Random) -> Arch | None:
        """An architecture that was not asked yet; None where the space has no other."""
        raise NotImplementedError

    def propose(self, arch: Arch) -> Proposal:
        return Proposal(arch, self.seed, self.rung)

    def finding(self, space: Space, find: Callable[[str, str], Arch]) -> Self:
        """Itself with the architectures that its options name: `find(key, name)` is that of search.<key>, or a ValueError."""
        return self

    def opening(self, space: Space) -> Iterator[Arch]:
        if self.baseline:
            yield space.baseline
            yield from space.known

    def unseen(self, arches: Iterator[Arch], records: Records) -> Arch | None:
        """The first of `arches` that was not asked under this seed: repeats are never trained."""
        keys = records.keys
        return next((arch for arch in arches if (arch.id, self.seed) not in keys), None)

    def drawn(self, space: Space, records: Records, rng: Random) -> Arch | None:
        """An unseen random member or, in a space that is nearly used up, an unseen neighbour of what was seen."""
        fresh = self.unseen((space.sample(rng) for _ in range(DRAWS)), records)
        return fresh or self.neighbour(space, records, rng)

    def neighbour(self, space: Space, records: Records, rng: Random) -> Arch | None:
        """An unseen neighbour: of a member of the front, tried in random order, else of any member seen."""
        best = [record.proposal.arch for record in records.front(self.goals, self.rung)]
        found = self.changed(best, space, records, rng)
        return found or self.changed([record.proposal.arch for record in records], space, records, rng)

    def changed(self, arches: Sequence[Arch], space: Space, records: Records, rng: Random) -> Arch | None:
        """An unseen neighbour of one of `arches`, tried in random order; those outside the space are passed over."""
        for arch in rng.sample(arches, len(arches)):
            found = self.unseen(space.neighbours(arch, rng), records) if arch in space else None
            if found is not None:
                return found
        return None


import_siblings(__name__)
