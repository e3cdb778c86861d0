"""A table of differences that hold: every arm of a plan and its reference, trained under the same seeds."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, Self

from search.plans import BEST, PLANS, Arm, Named, Plan, made, requested
from search.records import Proposal, Records
from search.spending import Budget
from search.strategy import STRATEGIES, Standing, Strategy
from space import Arch, Space


@STRATEGIES.register("ablation")
@dataclass(frozen=True, kw_only=True)
class Ablation(Strategy):
    """Trains the reference and every arm under the first seed, then under the next; so there is a whole table early. `trials` does
    not bound it. Data order depends on (seed, epoch) only, hence the difference of two networks under one seed is free of it.

    With `until`, the arm whose interval is widest gets another seed, and what it is compared with the same one, until every half
    width is within it, an arm has been trained `most` times, or the budget is spent.
    """

    plan: str = "one_at_a_time"
    reference: str = ""  # a name in conf/arch or a file; empty: the space's baseline
    against: str = ""  # the other end of leave_one_out, add_one_in and ladder
    choices: list[str] = field(default_factory=list)  # patterns; empty: all
    order: Any = field(default_factory=list)  # of a ladder: patterns, or the word best
    resolution: str = "full"
    alike: bool = True  # the same change in several numbered blocks is one
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    until: float | None = None
    most: int = 10
    level: float = 0.95
    reuse: list[str] = field(default_factory=list)
    dry: bool = False
    ends: list[Any] = field(default_factory=list)  # [reference, against], each Named or None; filled in by `finding`
    scale: float = 1.0  # what the report shows of the first objective's unit: 100 for shares; filled in by config.py

    def __post_init__(self) -> None:
        super().__post_init__()
        PLANS[self.plan]
        if self.confirm:
            raise ValueError(f"search.confirm: {self.confirm} given; not allowed with search=ablation: search.seeds says it")
        if not self.seeds:
            raise ValueError("search.seeds: none given; allowed: one or more, and two or more for an interval")
        if twice := sorted({seed for seed in self.seeds if self.seeds.count(seed) > 1}):
            raise ValueError(f"search.seeds: {self.seeds} given; {twice[0]} is in it twice, and would be trained once")
        if self.until is not None and not self.until > 0:
            raise ValueError(f"search.until: {self.until} given; allowed: null, or a half width above 0")
        if self.most < len(self.seeds):
            raise ValueError(f"search.most: {self.most} given; allowed: {len(self.seeds)}, the number of seeds, or more")
        if not 0 < self.level < 1:
            raise ValueError(f"search.level: {self.level} given; allowed: between 0 and 1, as in 0.95")
        if isinstance(self.order, str) and self.order != BEST:
            raise ValueError(f"search.order: '{self.order}' given; allowed: a list of patterns, or {BEST}")

    @property
    def bound(self) -> Budget:
        return Budget.parse(self.budget) if self.budget else Budget(float("inf"), "trials")

    @property
    def first(self) -> int:
        """The seed under which everything is trained before any other."""
        return self.seeds[0]

    def finding(self, space: Space, find: Callable[[str, str], Arch]) -> Self:
        """The plan is tried once, so that what cannot be planned is refused here."""
        given = {key: getattr(self, key) for key in ("reference", "against")}
        found = {key: Named(Path(name).stem, find(key, name)) for key, name in given.items() if name}
        start = found.get("reference") or Named(baseline_name(space), space.baseline)
        whole = replace(self, ends=[start, found.get("against")])
        whole.planned(space)
        return whole

    def planned(self, space: Space, records: Records | None = None) -> Plan:
        """The plan, as far as these trainings decide it. ValueError where there is none."""
        scores = self.scores(records) if records is not None and self.order == BEST else {}
        known = self._plans.setdefault(space, {})
        key = tuple(sorted(scores.items()))
        if key not in known:
            start, against = self.ends or (None, None)
            options = {name: getattr(self, name) for name in ("choices", "order", "resolution", "alike")}
            start = start or Named(baseline_name(space), space.baseline)
            known[key] = made(self.plan, requested(space=space, start=start, against=against, scores=scores, **options))
        return known[key]

    @cached_property
    def _plans(self) -> dict[Space, dict[Any, Plan]]:
        """Plans by what they depend on: an ask need not make its own again."""
        return {}

    def scores(self, records: Records) -> Mapping[str, float | None]:
        """The first objective's mean over the seeds, to be made small, of networks all of whose trainings have ended."""
        goal, found = self.goals[0], {}
        for record in records:
            if record.proposal.seed in self.seeds:
                found.setdefault(record.proposal.arch.id, []).append(record)
        values = {}
        for key, each in found.items():
            complete = len(each) == len(self.seeds) or any(record.infeasible for record in each)
            if complete and not any(record.running for record in each):
                read = [value for record in each if record.ok and (value := goal.value(record.measurements)) is not None]
                values[key] = goal.sign * fmean(read) if read else None
        return values

    def ask(self, space: Space, records: Records, rng: Random) -> Proposal | None:
        plan = self.planned(space, records)
        keys = records.keys
        over = {record.proposal.arch.id for record in records.ended if record.infeasible}  # so it would be under another seed
        left = (each for each in self.wanted(space, plan) if (each.arch.id, each.seed) not in keys and each.arch.id not in over)
        proposal = next(left, None)
        if proposal is None and self.until is not None and not plan.candidates:
            proposal = self.further(plan, records)
        return proposal if proposal is not None and self.affordable(records, proposal) else None

    def wanted(self, space: Space, plan: Plan) -> Iterator[Proposal]:
        """The trainings of the plan as it is written. The baseline comes first; where nothing is compared with it, once."""
        if self.baseline:
            yield self.training(space.baseline, self.first)
        for seed in self.seeds:
            yield self.training(plan.reference.arch, seed)
            yield from (self.training(arm.arch, seed) for arm in (*plan.arms, *plan.candidates))

    def training(self, arch: Arch, seed: int) -> Proposal:
        return Proposal(arch, seed, self.rung)

    def further(self, plan: Plan, records: Records) -> Proposal | None:
        """Another seed where it is undecided: for the widest interval first, of the arms that are not in training."""
        if any(record.running and record.proposal.seed in self.seeds for record in records):
            return None
        arches = {arm.arch.id: arm.arch for arm in plan.arms} | {plan.reference.arch.id: plan.reference.arch}
        running = {record.proposal.arch.id for record in records.running}
        for arm in self.undecided(plan, records):
            if arm.arch.id in running or arm.compared in running:
                continue
            seed = self.next_seed(arm.arch.id, records)
            if seed is not None:
                other = (arm.compared, seed) not in records.keys
                return self.training(arches[arm.compared] if other else arm.arch, seed)
        return None

    def undecided(self, plan: Plan, records: Records) -> list[Arm]:
        """Arms whose interval is wider than wanted, the widest first; those without one before them. One that was never trained
        to its end, or whose comparison was not, is no better for another seed."""
        from search.effects import paired  # statsmodels takes a second to import: only where it is asked for

        known = self.values(records)
        arms = [arm for arm in plan.arms if arm.arch.id in known and arm.compared in known]
        pairs = [(arm.arch.id, arm.compared) for arm in arms]
        values = {key: each for key, each in known.items() if any(key in pair for pair in pairs)}
        effects = paired(values, pairs, self.level)
        widths = {arm.arch.id: half_width(effects.get((arm.arch.id, arm.compared))) * self.scale for arm in arms}
        wide = [arm for arm in arms if widths[arm.arch.id] > self.until]
        return sorted(wide, key=lambda arm: -widths[arm.arch.id])

    def values(self, records: Records) -> Mapping[str, Mapping[int, float]]:
        """The first objective of every training that ended well, by arch id and seed."""
        goal, found = self.goals[0], {}
        for record in records.ended:
            if record.ok and record.proposal.rung == self.rung and (value := goal.value(record.measurements)) is not None:
                found.setdefault(record.proposal.arch.id, {})[record.proposal.seed] = value
        return found

    def next_seed(self, key: str, records: Records) -> int | None:
        """The first seed that a network was not trained under; None once it has had `most`."""
        beyond = range(max(self.seeds) + 1, max(self.seeds) + 1 + self.most - len(self.seeds))
        return next((seed for seed in (*self.seeds, *beyond) if (key, seed) not in records.keys), None)

    def total(self, space: Space) -> int:
        """Trainings of the plan as it is written, more seeds not counted; of a searched ladder, those of all candidates at most."""
        plan = self.planned(space)
        count = len({(each.arch.id, each.seed) for each in self.wanted(space, plan)})
        steps = len(plan.candidates)
        return count + len(self.seeds) * steps * (steps - 1) // 2

    def standing(self, space: Space, records: Records) -> Standing:
        if self.budget:
            return super().standing(space, records)
        done = records.trained(self.rung)
        return Standing(done, max(done, self.total(space)), "members")

    def summed_up(self, space: Space, records: Records) -> str:
        plan = self.planned(space, records)
        wanted = {(each.arch.id, each.seed) for each in self.wanted(space, plan)}
        over = {record.proposal.arch.id for record in records.ended if record.infeasible}
        left = len({key for key in wanted - records.keys if key[0] not in over})
        arms = f"{len(plan.arms)} arm{'s' if len(plan.arms) != 1 else ''} and the reference"
        text = f"{records.trained(self.rung)} trainings of {arms}"
        return text + (f"; {left} more are planned: search.budget={self.budget} is spent" if left else "")


def check_until(search: Strategy, metrics: Iterable[str]) -> None:
    """More seeds can only make an interval narrower where the seed makes a difference."""
    first = next(iter(search.objectives))
    if getattr(search, "until", None) is not None and first not in metrics:
        given = f"search.until: {search.until} given, but no training tells the first objective, {first}"
        raise ValueError(f"{given}; allowed first: {', '.join(metrics)}")


def half_width(effect: Any) -> float:
    """Of an effect's interval; infinite where there is none yet."""
    low, high = (getattr(effect, name, None) for name in ("low", "high"))
    return float("inf") if low is None or high is None or not high - low < float("inf") else (high - low) / 2


def baseline_name(space: Space) -> str:
    """What the space's file calls its baseline."""
    name = getattr(space.origin[0], "baseline", None)
    return name if isinstance(name, str) else "the baseline"
