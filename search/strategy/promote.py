"""Promotion: many members train to the first rung, the best of each rung train on to the next, for any number of objectives.

Asynchronous successive halving (ASHA, Li et al. 2020): whenever a trial is in the best 1/eta of its rung and was not promoted yet
it is, the highest rung first; else a new member starts. So no worker ever waits for a rung to fill. Best is by non-dominated rank,
ties by room on the front (crowding distance), as in MO-ASHA (Schmucker et al. 2021). Where trainings tell their loss, that and the
accuracy count together (search/surrogate/score.py): after few epochs the accuracy alone may say little of the end. Which member
starts is another strategy's to say. Unlike ASHA's, promotions of a rung stay within 1/eta of it while members still start: a
proposer that learns finds ever better ones, each the best when it comes, and nearly all would be promoted. The last of them are
when no more start.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from evaluators.api import TRAIN_LOSS
from registry import nearest
from search.objectives import point
from search.pareto import best_first, ranks
from search.records import Proposal, Record, Records
from search.strategy import STRATEGIES, Strategy
from search.surrogate.score import told
from space import Arch, Space

Standing = tuple[Record, tuple[float, ...]]
"""A trial's record and its point at a rung."""


@STRATEGIES.register("promote")
@dataclass(frozen=True, kw_only=True)
class Promote(Strategy):
    """`trials` counts trials started. With one rung it is the proposer alone."""

    proposer: str = "mutate"  # the strategy that says which member starts
    eta: float = 3.0  # one in so many is promoted

    continues: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.eta > 1:
            raise ValueError(f"search.eta: {self.eta} given; allowed: a number above 1")
        known = [name for name in STRATEGIES if STRATEGIES[name].member not in (Strategy.member, Promote.member)]
        if self.proposer not in known:
            raise ValueError(f"search.proposer: unknown proposer '{self.proposer}'; {nearest(self.proposer, known)}")

    def total(self, space: Space) -> int:
        return replace(self.starter, budget=self.budget, trials=self.trials).total(space)

    def ask(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        if self.rung < 2:
            return super().ask(space, records, rng)
        proposal = self.promotion(records, lambda count: math.floor(count / self.eta), within=True)
        return proposal or self.start(space, records, rng) or self.finishing(records) or self.confirmation(records)

    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        return self.starter.member(space, records, rng)

    @property
    def starter(self) -> Strategy:
        """The proposer, for a search that ends at the first rung."""
        shared = {"trials": self.trials, "seed": self.seed, "objectives": self.objectives, "limits": self.limits}
        return STRATEGIES[self.proposer](**shared, baseline=self.baseline, rungs=self.rungs[:1])

    def start(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        """A new member: the baseline to the last rung at once, as everything is compared with it; others to the first, where what
        is left of the budget could take one of them to the last."""
        if self.baseline and (space.baseline.id, self.seed) not in records.keys:
            whole = self.propose(space.baseline)
            return whole if self.affordable(records, whole) else None
        steps = range(1, self.rung + 1) if self.separate else [self.rung]
        if not self.affordable(records, *(Proposal(space.baseline, self.seed, rung) for rung in steps)):
            return None
        arch = self.unseen(self.opening(space), records)
        if arch is None:
            arch = self.member(space, self.at_the_first_rung(records), rng)
        return None if arch is None else Proposal(arch, self.seed, 1)

    def at_the_first_rung(self, records: Records) -> Records:
        """The records as a search with that rung alone would have them, so that the proposer compares like with like."""
        heads = (record for record in records if record.proposal.trial is None and record.proposal.seed == self.seed)
        return replace(records, items=tuple(record.at_rung(1) for record in heads))

    def promotion(self, records: Records, let_on: Callable[[int], int], *, within: bool = False) -> Proposal | None:
        """The best trial, of the highest rung first, that is among the best `let_on(count)` of its rung and stands there still;
        `within`: unless so many of that rung were promoted already, whether they would be now or not."""
        for rung in range(self.rung - 1, 0, -1):
            members = self.finished(records, rung)
            gone = sum(r.proposal.rung == rung and not self.stands(records, r, rung) for r, _ in members)
            if within and gone >= let_on(len(members)):
                continue
            order = best_first([at for _, at in members])
            for place in order[: let_on(len(order))]:
                record = members[place][0]
                if self.stands(records, record, rung) and self.affordable(records, self.promoted(record, rung)):
                    return self.promoted(record, rung)
        return None

    def finishing(self, records: Records) -> Proposal | None:
        """What is promoted when no member starts any more. Bounded by trials: at least one of each rung goes on. Bounded by a
        budget: what that still pays for, front after front, within a front the highest rung first."""
        if self.bound.unit == "trials":
            return self.promotion(records, lambda count: math.ceil(count / self.eta))
        waiting = []
        for rung in range(self.rung - 1, 0, -1):
            members = self.finished(records, rung)
            points = [at for _, at in members]
            levels = ranks(points)
            ordered = [(levels[n], -rung, place, members[n][0]) for place, n in enumerate(best_first(points))]
            waiting += [entry for entry in ordered if self.stands(records, entry[-1], rung)]
        for _, below, _, record in sorted(waiting, key=lambda entry: entry[:3]):
            if self.affordable(records, self.promoted(record, -below)):
                return self.promoted(record, -below)
        return None

    def finished(self, records: Records, rung: int) -> list[Standing]:
        """The trials that have finished a rung, those promoted since included, each as it stood there: what is to be minimised."""
        own = (r for r in records.index.ok if r.proposal.seed == self.seed and r.has(rung))
        pairs = ((record, point(record.at_rung(rung).measurements, self.goals)) for record in own)
        found = sorted(((record, at) for record, at in pairs if at is not None), key=lambda entry: entry[0].number)
        read = [next(result.measurements for result in record.results if result.rung == rung) for record, _ in found]
        losses = np.array([reading.get(TRAIN_LOSS, np.nan) for reading in read], float)
        if not np.isfinite(losses).any():
            return found
        points = np.array([at for _, at in found])
        for place, goal in enumerate(self.goals):
            if goal.name != TRAIN_LOSS and any(goal.name in reading for reading in read):
                points[:, place] = -self.scored(records, found, place, losses)
        return [(record, tuple(at)) for (record, _), at in zip(found, points.tolist(), strict=True)]

    def scored(self, records: Records, found: Sequence[Standing], place: int, losses: np.ndarray) -> np.ndarray:
        """What trials at a rung say of their end in the goal at that place, by reading and training loss; the more the better."""
        goal = self.goals[place]
        ends = {r.trial: r for r in records.index.ok if r.proposal.seed == self.seed and r.has(self.rung)}
        whole = {row: goal.value(ends[r.trial].measurements) for row, (r, _) in enumerate(found) if r.trial in ends}
        come = {row: -goal.sign * value for row, value in whole.items() if value is not None}
        raw = np.concatenate([[-at[place] for _, at in found], list(come.values())])
        rows, rungs = np.array([*range(len(found)), *come], int), np.repeat([1, 2], [len(found), len(come)])
        _, values = told(raw, np.concatenate([losses, np.full(len(come), np.nan)]), rungs, rows, last=2)
        return values[: len(found)]

    def stands(self, records: Records, record: Record, rung: int) -> bool:
        """Whether nothing further was asked of its trial."""
        return records.index.reached(record.trial) == rung

    def promoted(self, record: Record, rung: int) -> Proposal:
        return Proposal(record.proposal.arch, self.seed, rung + 1, record.trial)

    def summed_up(self, space: Space, records: Records) -> str:
        whole = len({r.trial for r in records if r.ok and r.proposal.rung == self.rung and r.proposal.seed == self.seed})
        return f"{super().summed_up(space, records)}; {whole} to the last rung"
