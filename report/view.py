"""A run as the page shows it, at one moment of its log. What is dear to compute is computed when it is first asked for."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np

from report.effort import SLICES
from report.figures import figure
from report.follow import Follower
from report.front import Comparison, Network, compare
from report.html import axes_offered
from report.importance import Importance, choices, importances
from report.names import arch_names
from report.picture import axes_of
from report.run import Run, Trial
from search.objectives import point
from search.pareto import Point, dominates, hypervolume
from space.places import places


class View:
    """Everything of one run that pictures and tables are made of. Never changed: a log that grew has a new one."""

    def __init__(self, key: str, follower: Follower):
        self.key = key
        self.run: Run = follower.run()
        self.version = follower.version
        self.moments = tuple(follower.moments)
        self.asked_at = dict(follower.asked_at)

    def warm(self) -> None:
        """Compute what the first look at the page needs."""
        _ = self.axes, self.front_trials, self.networks, self.progress

    @cached_property
    def comparison(self) -> Comparison:
        return compare(self.run, chances=False)

    @cached_property
    def names(self) -> dict[str, str]:
        return arch_names(self.run.conf)

    @cached_property
    def trials(self) -> dict[int, Trial]:
        return {trial.number: trial for trial in self.run.trials}

    @cached_property
    def networks(self) -> dict[str, Network]:
        return {network.arch.id: network for network in self.comparison.networks}

    @cached_property
    def front_trials(self) -> frozenset[int]:
        return frozenset(number for network in self.comparison.front for number in network.trials)

    @cached_property
    def axes(self) -> list[dict[str, str]]:
        """The measurements that a picture may show."""
        return axes_offered(self.comparison)

    @property
    def axes_named(self) -> list[dict[str, str]]:
        """The same, as a list to choose from takes them."""
        return [{"label": axis["heading"], "value": axis["name"]} for axis in self.axes]

    @property
    def first_axes(self) -> tuple[str, str]:
        """What is drawn across and up until a reader chooses."""
        return axes_of(self.comparison)

    @cached_property
    def importances(self) -> tuple[Importance, ...]:
        """Also of a run that goes on: as far as it tells by now."""
        return importances(self.run if self.run.finished else replace(self.run, finished="so far"))

    @cached_property
    def choices(self) -> dict[str, list[str]]:
        """The places that differ among the finished networks, and the value of each network there; what separates the first
        objective most stands first."""
        found = choices([places(network.arch.arch) for network in self.comparison.networks])
        goal = self.comparison.goals[0]
        values = [goal.value(network.measurements) for network in self.comparison.networks]
        target = np.array([np.nan if value is None else value for value in values], dtype=float)
        return dict(sorted(found.items(), key=lambda entry: -_separates(entry[1], target)))

    def name(self, trial: Trial) -> str:
        return self.names.get(trial.arch.id, trial.arch.id[:8])

    def standing(self, trial: Trial) -> str:
        """How a trial stands, `front` for a member of it."""
        return "front" if trial.number in self.front_trials else trial.kind

    @cached_property
    def reference(self) -> Point | None:
        """The point that hypervolume is counted from: the worst trained value of each objective (search.reference where given)."""
        goals = self.comparison.goals
        given: Mapping[str, float] = (self.run.conf.get("search") or {}).get("reference") or {}
        given = given if isinstance(given, Mapping) else {}
        points = [at for n in self.comparison.networks if n.rung == self.comparison.rung and (at := point(n.measurements, goals))]
        if not points:
            return None
        worst = [max(values) for values in zip(*points, strict=True)]
        return tuple(goal.sign * given[goal.name] if goal.name in given else w for goal, w in zip(goals, worst, strict=True))

    @property
    def counted_from(self) -> str:
        """What hypervolume is counted from, in words; '' where nothing was trained."""
        worst = zip(self.comparison.goals, self.reference or (), strict=False)
        told = ", ".join(f"{figure(goal.name).label} {figure(goal.name).text(goal.sign * value)}" for goal, value in worst)
        return f"Counted from {told}: the worst that was trained." if told else ""

    @cached_property
    def progress(self) -> list[dict[str, float]]:
        """Hypervolume after every trial that was fully trained: trials, epochs, training and running hours until then."""
        goals, rung, reference = self.comparison.goals, self.comparison.rung, self.reference
        told: list[dict[str, float]] = []
        front: list[Point] = []
        volume, epochs, ended, told_at = 0.0, 0.0, 0, 0
        last = max((n for n, moment in enumerate(self.moments) if moment.rung == rung), default=0)
        every = max(1, len(self.moments) // SLICES) if len(goals) > 2 else 1
        changed = False
        for n, moment in enumerate(self.moments):
            ended += moment.rung is None
            if not moment.rung:
                continue
            epochs += self.run.epochs(moment.rung, moment.rung - 1)
            trial = self.trials[moment.trial]
            at = point(trial.measurements, goals) if moment.rung == rung and trial.kind == "ok" else None
            if at is None or reference is None:
                continue
            if not any(other == at or dominates(other, at) for other in front):
                front, changed = [other for other in front if not dominates(at, other)] + [at], True
            if changed and (every == 1 or not told or n >= last or n - told_at >= every):
                volume, changed, told_at = hypervolume(front, reference), False, n
            hours = {"training": moment.trained_s / 3600, "elapsed": moment.elapsed_s / 3600}
            told.append({"trials": ended + 1, "epochs": epochs, **hours, "hypervolume": volume, "trial": moment.trial})
        return told


def _separates(values: list[str], target: np.ndarray) -> float:
    """The share of the target's variance that lies between the options of a choice."""
    known = np.isfinite(target)
    if known.sum() < 3 or np.ptp(target[known]) == 0:
        return 0.0
    at, targets = np.unique(np.array(values)[known], return_inverse=True)[1], target[known]
    counts = np.bincount(at)
    means = np.bincount(at, weights=targets) / np.maximum(counts, 1)
    return float((counts * (means - targets.mean()) ** 2).sum() / ((targets - targets.mean()) ** 2).sum())
