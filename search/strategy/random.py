"""Random search: independent draws from the space, the yardstick of every other strategy."""

import random
from dataclasses import dataclass

from search.records import Records
from search.strategy import STRATEGIES, Strategy
from space import Arch, Space


@STRATEGIES.register("random")
@dataclass(frozen=True, kw_only=True)
class RandomSearch(Strategy):
    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        return self.drawn(space, records, rng)
