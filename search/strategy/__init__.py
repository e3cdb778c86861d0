"""What to try next. A strategy is a frozen dataclass of its options whose only method, `ask`, is pure: what it returns depends on
the space, the records and the random generator it is given, so a run is resumed by rereading its log and any ask can be replayed.
A new strategy is a file here and a yaml in conf/search.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random  # by name: the strategy `random` becomes an attribute of this package
from typing import ClassVar

from registry import Registry, import_siblings
from search.objectives import Objective, objectives
from search.pareto import front
from search.records import Proposal, Records
from space import Arch, Space

STRATEGIES: Registry[type["Strategy"]] = Registry("strategy")
DRAWS = 100  # samples in a row that are all known before the neighbours of what is known are looked at


def trial_rng(seed: int, number: int) -> Random:
    """The generator of ask `number`: the same in every process and after every resume."""
    return Random(f"{seed}/{number}")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """What every strategy shares: the budget, what is optimised, and the opening (the baseline, then the known members).

    Subclasses say in `member` which unseen architecture follows; one that is more than a sequence of members overrides `ask`.
    `continues` tells the launcher whether a finished trial may be continued later, so that its checkpoints must stay.
    """

    trials: int = 12  # members to train, the baseline included; infeasible ones do not count
    seed: int = 0  # of the strategy's draws and of every training
    objectives: dict[str, str] = field(default_factory=lambda: {"accuracy": "max", "latency_ms": "min"})
    limits: dict[str, float] = field(default_factory=dict)  # upper bounds on measurements that cost no training
    lag: int | None = None  # ask n sees results 0..n-lag only: with lag >= workers a run is the same every time
    rungs: list[int] = field(default_factory=list)  # epochs at rung 1, 2 ...: the schedule's, filled in by config.py
    inherit: bool = False  # each candidate begins with the weights of the nearest trained one: init=parent, filled in by config.py
    keep: bool = False  # keep the checkpoints of ended trials although nothing continues them

    continues: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise ValueError(f"search.trials: {self.trials} given; allowed: 1 or more")
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

    def total(self, space: Space) -> int:
        """How many members a whole run trains: what progress is shown against."""
        return self.trials

    def ask(self, space: Space, records: Records, rng: Random) -> Proposal | None:
        """The next proposal. None while trials run means wait; None with none running means that nothing is left to do."""
        if records.trained(self.rung) >= self.trials:
            return None
        arch = self.unseen(self.opening(space), records) or self.member(space, records, rng)
        return None if arch is None else self.propose(arch)

    def member(self, space: Space, records: Records, rng: Random) -> Arch | None:
        """An architecture that was not asked yet; None where the space has no other."""
        raise NotImplementedError

    def propose(self, arch: Arch) -> Proposal:
        return Proposal(arch, self.seed, self.rung)

    def opening(self, space: Space) -> Iterator[Arch]:
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
        """An unseen one-step change: of a member of the front, tried in random order, else of any member seen."""
        best = [record.proposal.arch for record in front(records, self.goals)]
        others = [record.proposal.arch for record in records if record.proposal.arch not in best]
        for arches in (best, others):
            members = [arch for arch in arches if arch in space]
            for arch in rng.sample(members, len(members)):
                changes = [change.arch for change in space.changes(arch)]
                found = self.unseen(iter(rng.sample(changes, len(changes))), records)
                if found is not None:
                    return found
        return None


import_siblings(__name__)
