"""Every member of the space once, in the fixed order of `space.enumerate`: a sweep. Narrow the space to what is swept."""

import random
from dataclasses import dataclass
from itertools import islice

from search.records import Records
from search.strategy import STRATEGIES, Strategy
from space import Arch, Space


@STRATEGIES.register("grid")
@dataclass(frozen=True, kw_only=True)
class GridSearch(Strategy):
    """`trials` or `budget` still bounds it: a space has easily more members than anyone trains."""

    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        return self.unseen(space.enumerate(), records)

    def total(self, space: Space) -> int:
        most = super().total(space)
        outside = 1 if self.baseline and not space.baseline_inside else 0
        return min(most, outside + sum(1 for _ in islice(space.enumerate(), most)))
