"""Mutation of the front: a one-step change of a random member of it. Hard to beat where trainings are few, and the proposer that
`promote` takes by default. Source: local search over architectures (White et al. 2021), for several objectives.
"""

import random
from dataclasses import dataclass

from search.records import Records
from search.strategy import STRATEGIES, Strategy
from space import Arch, Space


@STRATEGIES.register("mutate")
@dataclass(frozen=True, kw_only=True)
class Mutate(Strategy):
    startup: int = 10  # random members before the front is changed

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.startup < 1:
            raise ValueError(f"search.startup: {self.startup} given; allowed: 1 or more")

    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        found = None
        if records.trained(self.rung) >= self.startup:
            best = [record.proposal.arch for record in records.front(self.goals, self.rung)]
            found = self.changed(best, space, records, rng)
        return found or self.drawn(space, records, rng)
