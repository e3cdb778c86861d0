"""What is believed of every member's accuracy after the full training, and of its cost where that is not measured yet."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from search.objectives import Objective
from search.surrogate.facts import SIZES, Facts, Known, Readings
from search.surrogate.features import Encoding
from search.surrogate.gaussian_process import Data, GaussianProcess
from search.surrogate.score import FEW, told
from search.surrogate.warp import Warp

MOST = 300  # readings of lower rungs that the model is conditioned on,
LAST = 100  # and so many of the last one
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
    wanted = dict.fromkeys([*(goal.name for goal in facts.goals), *limits, *SIZES])
    return tuple(name for name in wanted if facts.told and name in facts.told)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """About one objective that only training tells. Warped values are the more the better; what rungs before the last read includes
    their training loss."""

    goal: Objective
    process: GaussianProcess
    warps: tuple[Warp, ...]  # by rung, from 1

    @classmethod
    def of(cls, goal: Objective, facts: Facts, costs: Costs, rungs: int) -> "Beliefs":
        read = facts.readings[goal.name]
        warps, values = _told(read, rungs, len(read))
        data = _data(read, facts, costs, _chosen(read, facts, rungs, len(read)), values)
        theta = _theta(goal, facts, costs.names, rungs, _stage(len(read)))
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


def _told(read: Readings, rungs: int, count: int) -> tuple[tuple[Warp, ...], np.ndarray]:
    """The warps that the first `count` readings ask for, and what these say, warped: of a rung before the last its loss too."""
    return told(read.values[:count], read.losses[:count], read.rungs[:count], read.rows[:count], rungs)


def first_told(goal: Objective, facts: Facts, rungs: int) -> dict[int, float]:
    """What the first rung says of an objective by the trials' rows, the more the better."""
    read = facts.readings[goal.name]
    _, values = _told(read, rungs, len(read))
    first = read.rungs == 1
    return dict(zip(read.rows[first].tolist(), values[first].tolist(), strict=True))


def _chosen(read: Readings, facts: Facts, rungs: int, count: int) -> np.ndarray:
    """The places of the first `count` readings while they are few; of many those that matter most, rung by rung. What was read
    since plays no part."""
    found = []
    for rung in range(1, rungs + 1):
        places, most = np.flatnonzero(read.rungs[:count] == rung), LAST if rung == rungs else MOST // (rungs - 1)
        if len(places) > most:
            first = facts.whole[rung].index(read.trials[places[-1]]) + 1 if count < len(read) else None
            kept = facts.foremost(rung, most, first=first)
            places = places[np.isin(read.rows[places], [known.row for known in kept])]
        found.append(places)
    return np.concatenate(found)


def _data(read: Readings, facts: Facts, costs: Costs, places: np.ndarray, values: np.ndarray) -> Data:
    trials = [read.trials[place] for place in places]
    members = facts.members([known.row for known in trials])
    return Data(members, costs.standardised(measured(facts, costs, trials)), read.rungs[places], values[places])


def measured(facts: Facts, costs: Costs, trials: Sequence[Known]) -> np.ndarray:
    """(n, names): what was measured of trials, guessed where it was not."""
    rows = np.array([known.row for known in trials], int)
    found = np.column_stack([facts.measured(name)[rows] for name in costs.names]) if costs.names else np.zeros((len(rows), 0))
    if np.isnan(found).any():
        found = np.where(np.isnan(found), costs.guess(facts.encoding, facts.members(rows)), found)
    return found


def _stage(count: int) -> int:
    """The number of readings that the hyperparameters are fitted to: it stays while the readings grow a little."""
    stage = min(FEW, count)  # fewer than that are a stage of their own: what is fitted to them must not stay for more
    while int(stage * REFIT) + 2 <= count:
        stage = int(stage * REFIT) + 2
    return stage


def _theta(goal: Objective, facts: Facts, names: tuple[str, ...], rungs: int, stage: int) -> np.ndarray:
    """Hyperparameters fitted to the first `stage` readings: what came later plays no part, so a resumed search fits the same."""
    wanted = goal, names, rungs, stage
    if wanted not in facts.fits:
        facts.fits[wanted] = _fitted(facts.readings[goal.name], facts, names, rungs, stage)
    return facts.fits[wanted]


def _fitted(read: Readings, facts: Facts, names: tuple[str, ...], rungs: int, stage: int) -> np.ndarray:
    rows = list(dict.fromkeys(known.row for known in read.trials[:stage]))
    values = np.column_stack([facts.measured(name)[rows] for name in names]) if names else np.zeros((len(rows), 0))
    whole = ~np.isnan(values).any(1)
    costs = Costs.of(names, facts.encoding, facts.members(rows)[whole], values[whole])
    _, told = _told(read, rungs, stage)
    data = _data(read, facts, costs, _chosen(read, facts, rungs, stage), told)
    return GaussianProcess(facts.encoding, data, rungs).fitted().theta
