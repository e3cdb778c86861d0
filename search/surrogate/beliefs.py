"""What is believed of every member's accuracy after the full training, and of its cost where that is not measured yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from search.objectives import Objective
from search.surrogate.facts import SIZES, Facts, Known
from search.surrogate.features import Encoding
from search.surrogate.gaussian_process import Data, GaussianProcess
from search.surrogate.warp import Warp

MOST = 300  # readings of lower rungs that the model is conditioned on, and as many of the last one
FEW = 5  # readings of a rung that tell its scale
REFIT = 1.3  # hyperparameters are fitted anew when there are so many times more readings
RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class Costs:
    """What is known before training, by name; of a member not measured yet, a linear model's estimate of its logarithm."""

    names: tuple[str, ...]
    weights: np.ndarray  # (1 + dummies, names)
    mean: np.ndarray
    deviation: np.ndarray
    spread: np.ndarray  # standard deviation of what the estimate leaves unexplained

    @classmethod
    def of(cls, names: tuple[str, ...], encoding: Encoding, members: np.ndarray, values: np.ndarray) -> "Costs":
        logs = np.log(np.maximum(values, 1e-12))
        design = _with_one(encoding.dummies(members))
        penalty = RIDGE * np.eye(design.shape[1])
        penalty[0, 0] = 1e-9
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ logs)
        left = logs - design @ weights
        return cls(names, weights, logs.mean(0), np.maximum(logs.std(0), 1e-3), left.std(0))

    def guess(self, encoding: Encoding, members: np.ndarray, *, hope: float = 0.0) -> np.ndarray:
        """(n, names); with `hope` so many standard deviations cheaper."""
        return np.exp(np.clip(_with_one(encoding.dummies(members)) @ self.weights - hope * self.spread, -50, 50))

    def standardised(self, values: np.ndarray) -> np.ndarray:
        """Logarithms, within five deviations: nothing is learnt from further away."""
        return np.clip((np.log(np.maximum(values, 1e-12)) - self.mean) / self.deviation, -5, 5)


def _with_one(design: np.ndarray) -> np.ndarray:
    return np.concatenate([np.ones((len(design), 1)), design], 1)


def cost_names(facts: Facts, limits: Iterable[str] = ()) -> tuple[str, ...]:
    """What every measured member has and no training is needed for: the objectives first, then what has a limit, then sizes."""
    measured = [known.measured for known in facts.trials.values() if known.reached > 0]
    wanted = dict.fromkeys([*(goal.name for goal in facts.goals), *limits, *SIZES])
    return tuple(name for name in wanted if measured and all(name in found for found in measured))


@dataclass(frozen=True, eq=False)
class Beliefs:
    """About one objective that only training tells. Warped values are the more the better."""

    goal: Objective
    process: GaussianProcess
    warps: tuple[Warp, ...]  # by rung, from 1

    @classmethod
    def of(cls, goal: Objective, facts: Facts, costs: Costs, rungs: int) -> "Beliefs":
        readings = [(known, rung) for known, rung in facts.ended if goal.name in known.readings[rung]]
        warps = _warps(goal, readings, rungs)
        chosen = _chosen(goal, readings, rungs)
        data = _data(goal, facts, costs, chosen, warps)
        theta = _theta(goal, facts, costs.names, rungs, _stage(len(readings)))
        return cls(goal, GaussianProcess(facts.encoding, data, rungs, theta), warps)

    def with_pending(self, members: np.ndarray, costs: np.ndarray, rungs: Sequence[int]) -> "Beliefs":
        """As if each member that is being trained had come out as expected: what it will tell is not looked for twice."""
        if not len(rungs):
            return self
        every = tuple(range(1, self.process.rungs + 1))
        mean, _ = self.process.predict(members, costs, every)
        old, wanted = self.process.data, np.array(rungs, int)
        data = Data(
            np.concatenate([old.members, members]),
            np.concatenate([old.costs, costs]),
            np.concatenate([old.rungs, wanted]),
            np.concatenate([old.values, mean[np.arange(len(wanted)), wanted - 1]]),
        )
        return Beliefs(self.goal, GaussianProcess(self.process.encoding, data, self.process.rungs, self.process.theta), self.warps)

    def back(self, warped: np.ndarray, rung: int) -> np.ndarray:
        """Values of the objective, to be minimised."""
        return -self.warps[rung - 1].back(warped)


def _warps(goal: Objective, readings: Sequence[tuple[Known, int]], rungs: int) -> tuple[Warp, ...]:
    """One for each rung; where it has few readings, on the scale of the rung below."""
    found: list[Warp] = []
    for rung in range(1, rungs + 1):
        values = np.array([_better(goal, known, r) for known, r in readings if r == rung])
        if len(values) >= FEW or not found:
            found.append(Warp.of(values) if len(values) else Warp(0.0, 1.0, 0.0, 1.0))
        elif len(values):
            found.append(Warp.of(values, least=found[-1].scale))
        else:
            found.append(found[-1])
    return tuple(found)


def _better(goal: Objective, known: Known, rung: int) -> float:
    return -goal.sign * known.readings[rung][goal.name]


def _chosen(goal: Objective, readings: Sequence[tuple[Known, int]], rungs: int) -> list[tuple[Known, int]]:
    """All readings while they are few; else of the last rung, and of those below, the best and the newest."""
    last, lower = [r for r in readings if r[1] == rungs], [r for r in readings if r[1] < rungs]
    return [*_some(goal, lower), *_some(goal, last)]


def _some(goal: Objective, readings: list[tuple[Known, int]]) -> list[tuple[Known, int]]:
    if len(readings) <= MOST:
        return readings
    older, newest = readings[: -MOST // 3], readings[-MOST // 3 :]
    values = np.array([_better(goal, known, rung) for known, rung in older])
    best = np.argpartition(-values, MOST - len(newest))[: MOST - len(newest)]
    return [*(older[n] for n in sorted(best)), *newest]


def _data(goal: Objective, facts: Facts, costs: Costs, readings: Sequence[tuple[Known, int]], warps: Sequence[Warp]) -> Data:
    members = facts.members([known.row for known, _ in readings])
    rungs = np.array([rung for _, rung in readings], int)
    raw = np.array([_better(goal, known, rung) for known, rung in readings])
    values = np.empty(len(raw))
    for rung in set(rungs.tolist()):
        values[rungs == rung] = warps[rung - 1](raw[rungs == rung])
    return Data(members, costs.standardised(measured(facts, costs, [known for known, _ in readings])), rungs, values)


def measured(facts: Facts, costs: Costs, trials: Sequence[Known]) -> np.ndarray:
    """(n, names): what was measured of trials, guessed where it was not."""
    if not trials:
        return np.zeros((0, len(costs.names)))
    guesses = costs.guess(facts.encoding, facts.members([known.row for known in trials]))
    rows = [
        [known.measured.get(name, g) for name, g in zip(costs.names, guess, strict=True)]
        for known, guess in zip(trials, guesses, strict=True)
    ]
    return np.array(rows, float).reshape(len(trials), len(costs.names))


def _stage(count: int) -> int:
    """The number of readings that the hyperparameters are fitted to: it stays while the readings grow a little."""
    stage = FEW
    while int(stage * REFIT) + 2 <= count:
        stage = int(stage * REFIT) + 2
    return stage


def _theta(goal: Objective, facts: Facts, names: tuple[str, ...], rungs: int, stage: int) -> np.ndarray:
    """Hyperparameters fitted to the first `stage` readings: what came later plays no part, so a resumed search fits the same."""
    readings = tuple((known, rung) for known, rung in facts.ended[:stage] if goal.name in known.readings[rung])
    key = tuple((known.first.number, rung, known.readings[rung][goal.name]) for known, rung in readings)
    return _fitted(_Fit(goal, facts, names, rungs, readings, key))


@dataclass(frozen=True)
class _Fit:
    """What a fit depends on; equal where the readings are."""

    goal: Objective
    facts: Facts
    names: tuple[str, ...]
    rungs: int
    readings: tuple
    key: tuple

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fit) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    @property
    def _identity(self) -> tuple:
        return self.goal, id(self.facts.encoding), self.names, self.rungs, self.key


@lru_cache(maxsize=64)
def _fitted(fit: _Fit) -> np.ndarray:
    facts, readings = fit.facts, fit.readings
    trials = list({id(known): known for known, _ in readings}.values())
    values = np.array([[known.measured[name] for name in fit.names] for known in trials]).reshape(len(trials), len(fit.names))
    costs = Costs.of(fit.names, facts.encoding, facts.members([known.row for known in trials]), values)
    warps = _warps(fit.goal, readings, fit.rungs)
    data = _data(fit.goal, facts, costs, _chosen(fit.goal, readings, fit.rungs), warps)
    return GaussianProcess(facts.encoding, data, fit.rungs).fitted().theta
