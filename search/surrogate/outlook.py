"""What training promises, member by member: the gain in hypervolume to be expected, and its rate over the epochs it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from search.objectives import Objective
from search.pareto import ranks
from search.records import Records
from search.surrogate.beliefs import Beliefs, Costs, cost_names, measured
from search.surrogate.facts import Facts, Known
from search.surrogate.features import Encoding
from search.surrogate.improvement import Staircase
from space import Arch

FINAL = norm.ppf((np.arange(24) + 0.5) / 24)  # quantiles of what a full training may come to
SHOWN = norm.ppf((np.arange(8) + 0.5) / 8)  # and of what a short one may show
FENCE = 1.5  # quartile ranges beyond the quartiles, from where on values are outliers (Tukey 1977)
DEAREST = 0.05  # the reference of what is known before training is what so many random members are dearer than
HOPE = 3.0  # standard deviations by which a member may at most be cheaper than it looks, until it is measured
CHANCE = 1.0  # by so many at least a member may look dearer than a limit and be measured all the same
THOUGHT = 300  # trials that are thought of again; by the fronts of their rungs, and the newest
WEIGHED = 1000  # measured members from which the costs of others are guessed
LUCK = 2.5  # standard deviations above what is believed
HOPEFUL = 256  # members whose gain is worked out
SHORTLIST = 64  # members whose short training is thought through
LOOKING = 0.4  # part of the epochs for trainings to the first rung; as long as they have had less, what is left to pay costs them
CHEAP = 0.25  # so much of its price: what they read also tells of other members, which their own promise leaves out
LEAST = 2  # readings of the last rung to believe anything of it, with as many of others beside or, where there are none, one more


@dataclass(frozen=True)
class Plan:
    """The epochs of the rungs, whether each is a training of its own, the worst values that count, by objective, and the limits."""

    rungs: tuple[float, ...]
    separate: bool
    reference: Mapping[str, float]
    limits: Mapping[str, float]

    @property
    def whole(self) -> float:
        return self.rungs[-1] if self.rungs else 1.0

    def epochs(self, before: int, rung: int) -> float:
        """From one rung to another."""
        done = 0.0 if self.separate or before == 0 else self.rungs[before - 1]
        return self.rungs[rung - 1] - done if rung else 0.0


@dataclass(frozen=True, eq=False)
class Rated:
    """Members with the `gains` their full training promises and the `rates` of their next step: gain for an epoch. `whole`: that
    step is the way to the last rung; `price`: the best rate of those."""

    gains: np.ndarray
    rates: np.ndarray
    whole: np.ndarray
    price: float
    trials: Sequence[Known] = ()
    arches: Sequence[Arch] = ()

    def joined(self, other: "Rated") -> "Rated":
        """Both, at the price of the first."""
        gains, rates, whole = (
            np.concatenate([getattr(part, name) for part in (self, other)]) for name in ("gains", "rates", "whole")
        )
        return Rated(gains, rates, whole, self.price, [*self.trials, *other.trials], [*self.arches, *other.arches])


@dataclass(frozen=True, eq=False)
class Outlook:
    """At one moment of a search. The first of the objectives that only training tells is `uncertain`, with all its probabilities;
    of further ones (`others`) the mean stands for them."""

    facts: Facts
    plan: Plan
    costs: Costs
    uncertain: Beliefs
    others: tuple[Beliefs, ...]
    free: tuple[Objective, ...]
    staircase: Staircase
    had: float
    hope: float  # standard deviations by which a member may be cheaper than it looks
    best: tuple[Known, ...] = field(repr=False)  # on the front of the last rung

    @classmethod
    def of(cls, facts: Facts, records: Records, plan: Plan, before: int) -> "Outlook | None":
        """None before there are readings enough. What was measured of trials from the number `before` on plays no part."""
        names = cost_names(facts, plan.limits)
        free = tuple(goal for goal in facts.goals if goal.name in names)
        trained = tuple(goal for goal in facts.goals if goal.name not in names)
        if not trained:
            given = ", ".join(goal.name for goal in facts.goals)
            raise ValueError(f"search=paredown: none of the objectives ({given}) needs training; use search=nsga2")
        last = len(plan.rungs)
        whole = facts.whole.get(last, [])
        if len(whole) < LEAST or facts.ended < (len(whole) + 2 if last > 1 else LEAST + 1):
            return None
        costs = _costs(facts, names, before)
        believed = [Beliefs.of(goal, facts, costs, last) for goal in trained]
        running = [r for r in records.running if r.proposal.rung > 0 and r.proposal.arch in facts.encoding.space]
        members, readings = cls._of_running(facts, costs, running)
        goals_to = [record.proposal.rung for record in running]
        expected = [b.process.predict(members, costs.standardised(readings), (last,))[0][:, 0] for b in believed]
        to_the_end = np.array(goals_to, int) == last
        believed = [b.with_pending(members, costs.standardised(readings), goals_to) for b in believed]
        accuracy, known_of = _as_trained(facts, trained, free, last)
        if to_the_end.any():
            come = [b.back(mean[to_the_end], last) for b, mean in zip(believed, expected, strict=True)]
            there = _signed(free, names, readings[to_the_end])
            accuracy = np.concatenate([accuracy, come[0]])
            known_of = np.concatenate([known_of, np.column_stack([*come[1:], there])])
        reference, least = _reference(plan, trained, free, believed, costs, facts.encoding)
        points = np.column_stack([accuracy[: len(whole)], known_of[: len(whole)]])
        best = tuple(known for known, level in zip(whole, ranks(points), strict=True) if level == 0)
        stairs = Staircase.of(accuracy, known_of, reference, least)
        had, hope = stairs.volume(reference[0]), hopeful(facts.look(before))
        return cls(facts, plan, costs, believed[0], tuple(believed[1:]), free, stairs, had, hope, best)

    @property
    def measuring(self) -> bool:
        """Whether there is anything to know of a member before it is trained."""
        return bool(self.free)

    @cached_property
    def discount(self) -> float:
        """On the price of an epoch, where a short training is weighed against it."""
        read = self.facts.readings[self.uncertain.goal.name]
        rungs = range(1, len(self.plan.rungs) + 1)
        spent = [len(read.at(rung)[0]) * self.plan.epochs(rung - 1, rung) for rung in rungs]
        return CHEAP if spent[0] < LOOKING * sum(spent) else 1.0

    @staticmethod
    def _of_running(facts: Facts, costs: Costs, running: Sequence) -> tuple[np.ndarray, np.ndarray]:
        """Members and costs of what is being trained, as measured where it was, else guessed."""
        members = facts.encoding([record.proposal.arch for record in running])
        readings = costs.guess(facts.encoding, members) if len(running) else np.zeros((0, len(costs.names)))
        for place, record in enumerate(running):
            known = facts.trials.get(record.trial)
            if known and known.measured:
                readings[place] = measured(facts, costs, [known])[0]
        return members, readings

    def rated(self, trials: Sequence[Known], *, price: float | None = None) -> Rated:
        """Trials that wait, by what their next rung promises. `price` of an epoch: theirs where none is given."""
        members = self.facts.members([known.row for known in trials])
        reached = np.array([known.reached for known in trials], int)
        return self._rated(members, measured(self.facts, self.costs, trials), reached, price, trials=trials)

    def rated_new(self, arches: Sequence[Arch], *, price: float) -> Rated:
        """Members that nothing is known of, at the price of an epoch; hopefully: what they cost is soon measured."""
        members = self.facts.encoding(arches)
        readings = self.costs.guess(self.facts.encoding, members, hope=self.hope)
        rated = self._rated(members, readings, np.zeros(len(arches), int), price, arches=arches)
        least = self.costs.guess(self.facts.encoding, members, hope=max(self.hope, CHANCE))
        for name, limit in self.plan.limits.items():
            if name in self.costs.names:
                rated.rates[least[:, self.costs.names.index(name)] > limit] = 0.0
        return rated

    def leaders(self) -> list[Known]:
        """The front as trained, and that of all begun as believed."""
        last = len(self.plan.rungs)
        rungs = range(1, last + 1)
        begun = list({known.row: known for rung in rungs for known in self.facts.foremost(rung, THOUGHT // last)}.values())
        members, readings = self.facts.members([k.row for k in begun]), measured(self.facts, self.costs, begun)
        mean, _ = self.uncertain.process.predict(members, self.costs.standardised(readings), (last,))
        points = np.column_stack([-mean[:, 0], _signed(self.free, self.costs.names, readings)])
        levels = ranks(points)
        believed = [known for known, level in zip(begun, levels, strict=True) if level == 0]
        return list({known.row: known for known in [*self.best, *believed]}.values())

    def _rated(
        self,
        members: np.ndarray,
        readings: np.ndarray,
        reached: np.ndarray,
        price: float | None,
        *,
        trials: Sequence[Known] = (),
        arches: Sequence[Arch] = (),
    ) -> Rated:
        last, plan = len(self.plan.rungs), self.plan
        gains, rates = np.zeros(len(members)), np.zeros(len(members))
        whole = (reached > 0) | (last == 1)
        views = {}
        for rung in sorted(set(reached.tolist())):
            at = reached == rung
            views[rung] = view = self._view(members[at], readings[at], rung)
            gains[at] = view.gains
            rates[at] = (
                view.gains / plan.epochs(rung, last) * whole[at]
            )  # of one not begun a short training tells more for its epochs
        own = float(rates.max()) if len(rates) else 0.0
        price = own if price is None else max(price, 0.0)
        for rung, view in views.items():
            if rung + 1 < last:
                at = np.flatnonzero(reached == rung)
                order = np.argsort(-view.gains)[:SHORTLIST]
                short = view.shown(order, self.discount * price * plan.epochs(rung + 1, last)) / plan.epochs(rung, rung + 1)
                better = short > rates[at[order]]
                rates[at[order[better]]], whole[at[order[better]]] = short[better], False
        return Rated(gains, rates, whole, price, trials, arches)

    def _view(self, members: np.ndarray, readings: np.ndarray, rung: int) -> "_View":
        last = len(self.plan.rungs)
        costs = self.costs.standardised(readings)
        rungs = (rung + 1, last) if rung + 1 < last else (last,)
        mean, covariance = self.uncertain.process.predict(members, costs, rungs)
        others = [b.back(b.process.predict(members, costs, (last,))[0][:, 0], last) for b in self.others]
        known = np.column_stack([*others, _signed(self.free, self.costs.names, readings)])
        return _View(self, mean, covariance, known, rungs)

    def gain(self, mean: np.ndarray, deviation: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Expected gain of full trainings that are believed to read `mean` +- `deviation` (n,) or (n, q), warped."""
        outcomes = mean[..., None] + deviation[..., None] * FINAL
        flat = self.uncertain.back(outcomes.reshape(len(mean), -1), len(self.plan.rungs))
        return self.staircase.gain(flat, known).reshape(*mean.shape, len(FINAL)).mean(-1)


@dataclass(frozen=True, eq=False)
class _View:
    """Members at one rung: what is believed of their next and last."""

    outlook: Outlook
    mean: np.ndarray
    covariance: np.ndarray
    known: np.ndarray
    rungs: tuple[int, ...]

    @property
    def gains(self) -> np.ndarray:
        """Of the full training; only of those that would gain most if all went well, 0 of the others."""
        mean, deviation = self.mean[:, -1], np.sqrt(np.maximum(self.covariance[:, -1, -1], 1e-9))
        at_best = self.outlook.uncertain.back(mean + LUCK * deviation, len(self.outlook.plan.rungs))
        hopeful = np.argsort(-self.outlook.staircase.gain(at_best[:, None], self.known)[:, 0])[:HOPEFUL]
        found = np.zeros(len(mean))
        found[hopeful] = self.outlook.gain(mean[hopeful], deviation[hopeful], self.known[hopeful])
        return found

    def shown(self, chosen: np.ndarray, rest: float) -> np.ndarray:
        """What the next rung may show to be worth more than `rest`, the price of the way on from there."""
        mean, cov = self.mean[chosen], self.covariance[chosen]
        reading = cov[:, 0, 0] + self.outlook.uncertain.process.noise(self.rungs[0])
        moves = mean[:, -1, None] + (cov[:, 0, -1] / np.sqrt(reading))[:, None] * SHOWN
        left = np.sqrt(np.maximum(cov[:, -1, -1] - cov[:, 0, -1] ** 2 / reading, 1e-9))
        gains = self.outlook.gain(moves, np.broadcast_to(left[:, None], moves.shape), self.known[chosen])
        return np.maximum(gains - rest, 0).mean(1)


def hopeful(look: float) -> float:
    """How many standard deviations cheaper a member not measured yet is taken for, where a look costs `look` trainings to the first
    rung: until it is as cheap as that, what may be found beyond is worth more than the look (Weitzman 1979), if a deviation's
    gain is worth about one such training. HOPE where looks cost nothing, as in a recorded table."""

    def left(deviations: float) -> float:
        return float(norm.pdf(deviations) - deviations * norm.sf(deviations)) - look

    if left(HOPE) >= 0:
        return HOPE
    return float(brentq(left, 0.0, HOPE)) if left(0.0) > 0 else 0.0


def _costs(facts: Facts, names: Sequence[str], before: int) -> Costs:
    """From the newest trials before that number of which all is measured."""
    values = np.column_stack([facts.measured(name) for name in names]) if names else np.zeros((len(facts.trials), 0))
    rows = np.flatnonzero(~np.isnan(values).any(1) & (facts.numbers < before))[-WEIGHED:]
    return Costs.of(tuple(names), facts.encoding, facts.members(rows), values[rows])


def _signed(goals: Sequence[Objective], names: Sequence[str], readings: np.ndarray) -> np.ndarray:
    """(n, goals), to be minimised."""
    return np.column_stack([goal.sign * readings[:, names.index(goal.name)] for goal in goals]) if goals else readings[:, :0]


def _as_trained(facts: Facts, trained: Sequence[Objective], free: Sequence[Objective], last: int) -> tuple[np.ndarray, np.ndarray]:
    """The uncertain objective (n,) and all others (n, k) of fully trained members, to be minimised; means over an architecture's
    seeds. What is not known is infinitely bad."""
    rows = np.array([known.row for known in facts.whole[last]], int)
    alike = facts.first(rows)
    columns = []
    for goal in trained:
        at, values = facts.readings[goal.name].at(last)
        same, size = facts.first(at), len(facts.trials)
        with np.errstate(invalid="ignore"):
            mean = np.bincount(same, values, minlength=size) / np.bincount(same, minlength=size)
        columns.append(-mean[alike])
    columns += [goal.sign * facts.measured(goal.name)[rows] for goal in free]
    points = np.nan_to_num(np.column_stack(columns), nan=np.inf, posinf=np.inf)
    return points[:, 0], points[:, 1:]


def _reference(
    plan: Plan,
    trained: Sequence[Objective],
    free: Sequence[Objective],
    believed: Sequence[Beliefs],
    costs: Costs,
    encoding: Encoding,
) -> tuple[np.ndarray, np.ndarray]:
    """The worst values that count, the uncertain objective first, and the least of the others; all to be minimised."""
    last, sample = len(plan.rungs), encoding.sample
    readings = costs.guess(encoding, sample)
    at = costs.standardised(readings)
    expected = np.column_stack([b.back(b.process.predict(sample, at, (last,))[0][:, 0], last) for b in believed])
    there = _signed(free, costs.names, readings)
    seen = [*map(worst, expected.T), *np.quantile(there, 1 - DEAREST, axis=0)]
    goals = [*trained, *free]
    given = [
        goal.sign * plan.reference[goal.name] if goal.name in plan.reference else at for goal, at in zip(goals, seen, strict=True)
    ]
    return np.array(given, float), np.concatenate([expected[:, 1:].min(0), there.min(0)])


def worst(expected: np.ndarray) -> float:
    """Of values to be minimised the largest that is no outlier: networks that fail to learn do not say what counts, and those that
    are cheap and less accurate than most do count."""
    low, high = np.quantile(expected, [0.25, 0.75])
    return float(expected[expected <= high + FENCE * (high - low)].max())
