"""The house strategy: what is worth its training most goes on training, be it a new member or one that has begun.

Cost and latency are measured before training, so of all objectives only the accuracy is uncertain. A Gaussian process over the
space and its rungs believes something of every member's accuracy after the full training (search/surrogate); the gain in
hypervolume that this promises, over the epochs it takes, is a member's rate. The best rate to be had from training a member to the
end is the price of an epoch. A shorter training is worth what it may reveal: the gain it may show beyond that price, averaged over
what it may read, over its own epochs. A reading tells of other members too, so that price is lower while few epochs went to first
rungs. So bad members stop early, good ones go on, and how much goes into short trainings follows from what they tell here. After
expected hypervolume improvement (Emmerich et al. 2006), with the stopping rule of Pandora's boxes (Weitzman 1979) at each rung.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache, partial
from itertools import islice
from typing import ClassVar

import numpy as np

from registry import nearest
from search.objectives import point
from search.pareto import ranks
from search.records import Proposal, Records
from search.strategy import STRATEGIES, Strategy
from search.surrogate.beliefs import first_told
from search.surrogate.facts import Facts, Known, facts_of
from search.surrogate.features import encoding
from search.surrogate.outlook import THOUGHT, Outlook, Plan, Rated
from search.surrogate.threads import one_thread
from space import Arch, Space

FIRST = 3  # members at the last rung before anything is believed of it
PARENTS = 8  # members whose neighbours are considered,
NEIGHBOURS = 32  # and so many of each
KEPT = 10  # asks for which a random member is considered
LOOKS = 16  # members measured in a row before one is trained
ENOUGH = 0.005  # part of the hypervolume: with a budget in members, trials that promise less are not taken further


@STRATEGIES.register("paredown")
@dataclass(frozen=True, kw_only=True)
class Paredown(Strategy):
    startup: int = 10  # random members to the first rung before anything is believed; fewer where that were a quarter of the budget
    explore: float = 0.1  # part of the new members that are drawn at random
    candidates: int = 200  # new members considered at each ask, beside neighbours of the best
    reference: dict[str, float] = field(
        default_factory=dict
    )  # the worst value of an objective that counts; else from what was seen

    continues: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.reference:
            if name not in self.objectives:
                raise ValueError(f"search.reference: '{name}' is no objective; {nearest(name, list(self.objectives))}")
        if self.startup < 2:
            raise ValueError(f"search.startup: {self.startup} given; allowed: 2 or more")
        if not 0 <= self.explore < 1:
            raise ValueError(f"search.explore: {self.explore} given; allowed: 0 to below 1")

    def ask(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        with one_thread():
            proposal = self.begin(space, records) or self.step(space, records, rng)
        return proposal or self.confirmation(records)

    def begin(self, space: Space, records: Records) -> Proposal | None:
        """The opening: the baseline to the last rung at once, as everything is compared with it; known members to the first."""
        arch = self.unseen(self.opening(space), records)
        if arch is None:
            return None
        proposal = Proposal(arch, self.seed, self.rung if arch == space.baseline else min(1, self.rung))
        return proposal if self.affordable(records, proposal) else None

    def step(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        facts = facts_of(records, encoding(space), self.goals)
        fresh = self.pays_for_one_more(space, records)
        if fresh and records.trained(self.rung, self.seed) < self.opening_size:
            return self.started(self.drawn(space, records, rng))
        newest = next((record.number for record in reversed(records) if record.proposal.rung > 0), -1)
        waiting, looked = self.open_trials(facts, records, newest)
        if not fresh and not waiting + looked:
            return None
        moment = self.moment(space, facts, records, waiting, newest, fresh=fresh)
        if moment is None:
            return self.first_promotion(facts, waiting, records, rng) or (
                self.started(self.drawn(space, records, rng)) if fresh else None
            )
        if fresh and random.Random(f"{self.seed}/{newest}/explore").random() < self.explore:
            return self.started(self.drawn(space, records, rng))
        chosen = self.best(moment, records, looked if fresh else [], fresh=fresh)
        return chosen or (self.started(self.drawn(space, records, rng)) if fresh else None)

    @property
    def plan(self) -> Plan:
        return Plan(tuple(float(n) for n in self.rungs), self.separate, dict(self.reference), dict(self.limits))

    @property
    def opening_size(self) -> int:
        """Members that start before anything is believed."""
        bound, plan = self.bound, self.plan
        amount = {"full": plan.whole, "trials": plan.whole, "epochs": 1.0, "hours": float("inf")}[bound.unit] * bound.amount
        return int(max(3, min(self.startup, 0.25 * amount / plan.epochs(0, min(1, self.rung))))) if self.rung else self.startup

    def started(self, arch: Arch | None) -> Proposal | None:
        return None if arch is None else Proposal(arch, self.seed, min(1, self.rung))

    def pays_for_one_more(self, space: Space, records: Records) -> bool:
        """Whether what is left would take a new member to the last rung: else its first one would tell nothing of use."""
        steps = range(1, self.rung + 1) if self.separate else [self.rung]
        return self.affordable(records, *(Proposal(space.baseline, self.seed, rung) for rung in steps))

    def open_trials(self, facts: Facts, records: Records, newest: int) -> tuple[list[Known], list[Known]]:
        """Trials that could go on: nothing further was asked of them, and the budget pays for their last rung. Apart, those that
        were only looked at, after ask number `newest`."""
        reached = records.index.reached

        def waits(known: Known, rung: int) -> bool:
            own = known.open and known.first.proposal.seed == self.seed
            return own and known.reached == rung == reached(known.first.trial)

        measured = (known for known in reversed(facts.looked.values()) if waits(known, 0))
        measured = list(islice(measured, THOUGHT + len(records) - newest))
        looked = [known for known in measured if known.first.number > newest]
        found = [known for known in measured if known.first.number < newest][:THOUGHT]
        for rung in range(1, self.rung):
            found += facts.foremost(rung, THOUGHT // (self.rung - 1), partial(waits, rung=rung))
        alike = {known.reached: known for known in [*looked, *found]}  # what it takes to finish one depends on its rung alone
        paid = {reached: self.affordable(records, self.to(known, self.rung)) for reached, known in alike.items()}
        return [known for known in found if paid[known.reached]], [known for known in looked if paid[0]]

    def to(self, known: Known, rung: int) -> Proposal:
        return Proposal(known.first.proposal.arch, self.seed, rung, known.first.trial)

    def first_promotion(self, facts: Facts, waiting: Sequence[Known], records: Records, rng: random.Random) -> Proposal | None:
        """The first members to the last rung, before anything can be believed of it: any of the first rung's front."""
        whole = sum(r.proposal.rung == self.rung and r.proposal.seed == self.seed for r in records if not r.infeasible)
        begun = [known for known in waiting if 1 in known.readings]
        told = {goal: first_told(goal, facts, self.rung) for goal in self.goals}
        said = [{goal.name: -goal.sign * at[known.row] for goal, at in told.items() if known.row in at} for known in begun]
        points = [point({**known.measured, **by_goal}, self.goals) for known, by_goal in zip(begun, said, strict=True)]
        valued = [(at, known) for at, known in zip(points, begun, strict=True) if at is not None]
        if whole >= FIRST or not valued:
            return None
        levels = ranks([at for at, _ in valued])
        chosen = rng.choice([known for level, (_, known) in zip(levels, valued, strict=True) if level == 0])
        return self.to(chosen, self.rung if self.separate else chosen.reached + 1)

    def moment(
        self, space: Space, facts: Facts, records: Records, waiting: Sequence[Known], newest: int, *, fresh: bool
    ) -> "Moment | None":
        """What is thought since a training was last asked (number `newest`) or ended; None before anything is believed."""
        measured = int((facts.numbers < newest).sum())
        running = tuple(record.number for record in records.running if record.proposal.rung > 0)
        made_of = self, facts.ended, newest, measured, running, tuple(known.row for known in waiting), fresh
        if facts.thought[0] != made_of:
            facts.thought = made_of, self.thought(space, facts, records, waiting, newest, fresh=fresh)
        return facts.thought[1]

    def thought(
        self, space: Space, facts: Facts, records: Records, waiting: Sequence[Known], newest: int, *, fresh: bool
    ) -> "Moment | None":
        outlook = Outlook.of(facts, records, self.plan, newest)
        if outlook is None:
            return None
        going_on = outlook.rated([known for known in waiting if known.reached > 0 or fresh])
        new = outlook.rated_new(self.considered(outlook, space, facts, records, newest), price=going_on.price) if fresh else None
        return Moment(newest, outlook, going_on, new)

    def best(self, moment: "Moment", records: Records, looked: Sequence[Known], *, fresh: bool) -> Proposal | None:
        """The member whose next step promises most for its epochs; one that was not measured yet is measured first. `looked`: those
        measured since that moment."""
        outlook, going_on = moment.outlook, moment.going_on
        if looked:
            going_on = going_on.joined(outlook.rated(looked, price=going_on.price))
        promise, arch = moment.next_new(records, self.seed)
        if arch is not None and (not len(going_on.rates) or promise > going_on.rates.max()):
            if outlook.measuring and len(records) - moment.newest <= LOOKS:
                return Proposal(arch, self.seed, 0)
            if not outlook.measuring or not len(going_on.rates):
                return self.started(arch)
        if not len(going_on.rates) or (self.bound.unit == "trials" and not fresh and going_on.gains.max() < ENOUGH * outlook.had):
            return None
        chosen = int(np.argmax(going_on.rates))
        known = going_on.trials[chosen]
        return self.to(known, self.rung if self.separate and going_on.whole[chosen] else known.reached + 1)

    def considered(self, outlook: Outlook, space: Space, facts: Facts, records: Records, newest: int) -> list[Arch]:
        """Members that no ask up to number `newest` was for: neighbours of those on the front, as trained and as believed, and
        random ones."""
        rng = random.Random(f"{self.seed}/{newest}/{facts.ended}/considered")
        since = {(record.proposal.arch.id, record.proposal.seed) for record in records[newest + 1 :]}
        asked = records.keys

        def new(arches: Iterable[Arch]) -> Iterator[Arch]:
            return (arch for arch in arches if (arch.id, self.seed) not in asked or (arch.id, self.seed) in since)

        parents = outlook.leaders()
        found: dict[str, Arch] = {}
        for known in rng.sample(parents, min(PARENTS, len(parents))):
            near = new(space.neighbours(known.first.proposal.arch, rng))
            found |= {arch.id: arch for arch in islice(near, NEIGHBOURS)}
        each = -(-self.candidates // KEPT)
        for number in range(max(0, newest - KEPT + 1), newest + 1):
            found |= {arch.id: arch for arch in new(members_drawn(space, self.seed, number, each))}
        return list(found.values())


@dataclass(frozen=True, eq=False)
class Moment:
    """What is thought after the training asked with number `newest`, until another is asked or ends: looks at members in between
    change nothing of it. `going_on`: trials that wait; `new`: members not asked before, where the budget pays for one more.

    So an ask that only looks costs little, and a search that is stopped and resumed thinks the same."""

    newest: int
    outlook: Outlook
    going_on: Rated
    new: Rated | None

    @cached_property
    def order(self) -> np.ndarray:
        """New members, the most promising first."""
        return np.argsort(-self.new.rates, kind="stable") if self.new is not None else np.zeros(0, int)

    def next_new(self, records: Records, seed: int) -> tuple[float, Arch | None]:
        """The most promising new member that no look was asked for since, and its rate."""
        asked = records.keys
        for place in self.order:
            arch = self.new.arches[place]
            if (arch.id, seed) not in asked:
                return float(self.new.rates[place]), arch
        return 0.0, None


@lru_cache(maxsize=64)
def members_drawn(space: Space, seed: int, number: int, count: int) -> tuple[Arch, ...]:
    """The random members that ask `number` adds to those of the asks before it: drawing is dear in large spaces."""
    rng = random.Random(f"{seed}/{number}/drawn")
    return tuple(space.sample(rng) for _ in range(count))
