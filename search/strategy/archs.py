"""A given list of architectures, members of the space or not: published variants, or the winners of a run, retrained."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Self

from search.records import Proposal, Records
from search.strategy import STRATEGIES, Standing, Strategy
from space import Arch, Space

NONE_GIVEN = "search.archs: none given; allowed: names in conf/arch or yaml files, e.g. search.archs=[segformer_b2]"


@STRATEGIES.register("archs")
@dataclass(frozen=True, kw_only=True)
class ArchList(Strategy):
    """Trains exactly the list, after the baseline, under each seed; neither `trials` nor `budget` bounds it, and the known members
    are trained only where they are in it.

    `archs` are names (conf/arch) or files; `finding` makes them `members`, the Arch objects in the same order.
    """

    archs: list[str] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)  # trainings of each: paired seeds; empty: search.seed alone
    members: list[Any] = field(default_factory=list)  # filled in by `finding`
    keep: bool = True  # retrained winners are what one ships

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, why in (("budget", "the list is trained whole"), ("confirm", "search.seeds=[0,1,2] trains each of it so often")):
            if getattr(self, name):
                raise ValueError(f"search.{name}: {getattr(self, name)} given; not allowed with search=archs: {why}")

    def ask(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        if not self.members:
            raise ValueError(NONE_GIVEN)
        keys = records.keys
        return next((it for it in self.wanted(space) if (it.arch.id, it.seed) not in keys), None)

    def finding(self, space: Space, find: Callable[[str, str], Arch]) -> Self:
        if not self.archs:
            raise ValueError(NONE_GIVEN)
        return replace(self, members=[find("archs", name) for name in self.archs])

    def wanted(self, space: Space) -> Iterator[Proposal]:
        """The list in order, under each seed; what is in it twice comes twice, and is trained once."""
        arches = ([space.baseline] if self.baseline else []) + list(self.members)
        yield from (Proposal(arch, seed, self.rung) for seed in self.seeds or [self.seed] for arch in arches)

    def total(self, space: Space) -> int:
        return len({(proposal.arch.id, proposal.seed) for proposal in self.wanted(space)})

    def standing(self, space: Space, records: Records) -> Standing:
        return Standing(records.trained(self.rung), self.total(space), "members")

    def summed_up(self, space: Space, records: Records) -> str:
        return f"{records.trained(self.rung)} members trained"
