"""A given list of architectures, members of the space or not: published variants, or the winners of a run, retrained."""

import random
from dataclasses import dataclass, field
from typing import Any

from search.records import Proposal, Records
from search.strategy import STRATEGIES, Strategy
from space import Space


@STRATEGIES.register("archs")
@dataclass(frozen=True, kw_only=True)
class ArchList(Strategy):
    """Trains exactly the list, after the baseline, under each seed; `trials` does not bound it.

    `archs` are names (conf/arch) or files; config.py resolves them into `members`, the Arch objects in the same order.
    """

    archs: list[str] = field(default_factory=list)
    baseline: bool = True  # the space's baseline first: reports compare with it
    seeds: list[int] = field(default_factory=list)  # trainings of each: paired seeds; empty: search.seed alone
    members: list[Any] = field(default_factory=list)  # filled in by config.py
    keep: bool = True  # retrained winners are what one ships

    def ask(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        if not self.members:
            raise ValueError(
                "search.archs: none given; allowed: names in conf/arch or yaml files, e.g. search.archs=[segformer_b2]"
            )
        arches = ([space.baseline] if self.baseline else []) + list(self.members)
        keys = records.keys
        wanted = (Proposal(arch, seed, self.rung) for seed in self.seeds or [self.seed] for arch in arches)
        return next((proposal for proposal in wanted if (proposal.arch.id, proposal.seed) not in keys), None)
