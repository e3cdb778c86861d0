"""Runs against each other: `python -m report compare results/a results/b ...`.

Each run stands for its front of fully trained networks. Hypervolume is counted from one reference point for all, as is the
training that each run took for what the others ended with. Coverage of B by A is the part of B's front that some network of A
equals or beats (the C-metric of Zitzler and Thiele). Runs that differ only in their seed are one group, and with two objectives its
attainment surfaces say what a quarter, half and three quarters of its runs reach (Grunert da Fonseca et al. 2001).
"""

import math
import statistics
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from report.effort import Effort, effort
from report.front import Comparison, Network, compare
from report.run import Run
from search.command_line import HOW_LONG
from search.objectives import Objective, point
from search.pareto import Point, hypervolume

BEYOND = 0.1
"""The reference point lies this part of the fronts' range beyond the worst value on any of them, so that ends count too."""
QUARTILES = (0.25, 0.5, 0.75)
ALIKE = ("task", "data", "schedule", "space.input_size", "latency")
"""What has to be the same for figures to compare."""


@dataclass(frozen=True)
class Contender:
    """A run with its front; `points` are the front's objectives, each to be minimised; `effort`: the training it took."""

    label: str
    run: Run
    comparison: Comparison
    points: tuple[Point, ...]
    volume: float
    effort: Effort

    @property
    def front(self) -> tuple[Network, ...]:
        return self.comparison.front


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed only. `surfaces`: by quartile, the corners that so many of them attain (two objectives)."""

    label: str
    contenders: tuple[Contender, ...]
    surfaces: Mapping[float, tuple[Point, ...]]

    @property
    def volumes(self) -> list[float]:
        return sorted(contender.volume for contender in self.contenders)


@dataclass(frozen=True)
class Contest:
    """All runs; `coverage[a][b]` is the part of b's front that a covers. `differences`: why figures may not compare."""

    goals: tuple[Objective, ...]
    reference: Point
    contenders: tuple[Contender, ...]
    groups: tuple[Group, ...]
    coverage: tuple[tuple[float, ...], ...]
    differences: tuple[str, ...]

    @property
    def training(self) -> bool:
        """Whether anything was trained, so that it can be told how much training what was found took."""
        return any(contender.effort.epochs for contender in self.contenders)

    def epochs_until(self, a: Contender, b: Contender) -> float | None:
        """Epochs that a trained until it had the hypervolume that b ended with; None where it never had."""
        return a.effort.until(b.volume)

    @property
    def reference_values(self) -> dict[str, float]:
        """The reference point in the objectives' own direction."""
        return {goal.name: goal.sign * value for goal, value in zip(self.goals, self.reference, strict=True)}


def contest(runs: Sequence[Run], comparisons: Sequence[Comparison] | None = None) -> Contest:
    """Compare at least one run. ValueError where objectives differ, or no run has a front."""
    found = list(comparisons or [compare(run) for run in runs])
    goals = _goals(runs)
    points = [tuple(sorted(at for n in c.front if (at := point(n.measurements, goals)))) for c in found]
    reference = reference_point([at for front in points for at in front])
    labels = labels_of(runs)
    contenders = tuple(
        Contender(label, run, comparison, front, hypervolume(front, reference), effort(run, comparison, reference))
        for label, run, comparison, front in zip(labels, runs, found, points, strict=True)
    )
    coverage = tuple(tuple(covered(a.points, b.points) for b in contenders) for a in contenders)
    return Contest(goals, reference, contenders, _groups(contenders, len(goals)), coverage, _differences(contenders))


def _goals(runs: Sequence[Run]) -> tuple[Objective, ...]:
    goals = {run.directory: run.goals for run in runs}
    first = runs[0]
    for run in runs[1:]:
        if set(run.goals) != set(first.goals):
            told = [", ".join(f"{goal.name} ({goal.direction})" for goal in goals[r.directory]) for r in (first, run)]
            raise ValueError(f"{run.directory}: objectives {told[1]}; {first.directory} has {told[0]}: fronts do not compare")
    return first.goals


def reference_point(points: Sequence[Point]) -> Point:
    """A little beyond the worst of every objective. ValueError without any point."""
    if not points:
        raise ValueError("no front to compare: none of these runs has fully trained a network yet")
    columns = list(zip(*points, strict=True))
    return tuple(max(c) + BEYOND * ((max(c) - min(c)) or abs(max(c)) or 1.0) for c in columns)


def covered(by: Sequence[Point], points: Sequence[Point]) -> float:
    """The part of `points` that some point of `by` is nowhere worse than; NaN of none."""
    if not points:
        return math.nan
    return sum(any(all(a <= b for a, b in zip(p, at, strict=True)) for p in by) for at in points) / len(points)


def surface(fronts: Sequence[Sequence[Point]], share: float) -> tuple[Point, ...]:
    """The corners of what at least `share` of the fronts attain, two objectives, from left to right.

    At each first value a front attains the best second value up to there; of these the one that enough fronts reach counts.
    """
    needed = max(1, math.ceil(share * len(fronts) - 1e-9))
    ordered = [sorted(front) for front in fronts]
    lows = []
    for front in ordered:
        best, low = math.inf, []
        for _, second in front:
            best = min(best, second)
            low.append(best)
        lows.append(low)
    corners: list[Point] = []
    for first in sorted({at[0] for front in ordered for at in front}):
        reached = []
        for front, low in zip(ordered, lows, strict=True):
            place = bisect_right(front, (first, math.inf))
            reached.append(low[place - 1] if place else math.inf)
        second = sorted(reached)[needed - 1]
        if second < (corners[-1][1] if corners else math.inf):
            corners.append((first, second))
    return tuple(corners)


def _groups(contenders: Sequence[Contender], objectives: int) -> tuple[Group, ...]:
    groups: dict[str, list[Contender]] = {}
    for contender in contenders:
        groups.setdefault(_without_seed(contender), []).append(contender)
    found = []
    for members in groups.values():
        surfaces = {}
        if objectives == 2 and len(members) > 1:
            surfaces = {share: surface([m.points for m in members], share) for share in QUARTILES}
        label = members[0].label if len(members) == 1 else f"{_stem(members)} ({len(members)} runs)"
        found.append(Group(label, tuple(members), surfaces))
    return tuple(found)


def _without_seed(contender: Contender) -> str:
    """The configuration but for its seed, and for what may change when a run goes on; the directory where there is none."""
    conf = contender.run.conf
    if not conf:
        return str(contender.run.directory)
    kept = {key: value for key, value in conf.items() if key not in ("run", "results", "launch", "choices")}
    longer = {key.removeprefix("search.") for key in HOW_LONG} | {"seed"}
    kept["search"] = {key: value for key, value in (conf.get("search") or {}).items() if key not in longer}
    kept["choices"] = {key: value for key, value in (conf.get("choices") or {}).items() if key != "launch"}
    return repr(kept)


def _stem(members: Sequence[Contender]) -> str:
    """What the labels of a group begin with alike."""
    first, *others = [member.label for member in members]
    size = next((n for n, letter in enumerate(first) if any(other[n : n + 1] != letter for other in others)), len(first))
    return first[:size].rstrip("-_=,./ 0123456789") or members[0].run.directory.parent.name


def labels_of(runs: Sequence[Run]) -> list[str]:
    """Short names that tell the runs apart: the run's own, with its space where that is not enough."""
    short = [run.directory.name for run in runs]
    longer = [f"{run.directory.parent.name}/{run.directory.name}" for run in runs]
    names = short if len(set(short)) == len(short) else longer
    return names if len(set(names)) == len(names) else [str(run.directory) for run in runs]


def _differences(contenders: Sequence[Contender]) -> tuple[str, ...]:
    """Where configurations differ in what figures depend on; only runs that have one are compared."""
    known = [c for c in contenders if c.run.conf]
    found = []
    for where in ALIKE:
        values = {c.label: _at(c.run.conf, where) for c in known}
        if len({repr(value) for value in values.values()}) > 1:
            first, other = known[0].label, next(c.label for c in known if values[c.label] != values[known[0].label])
            found.append(f"{where} differs between {first} and {other}{_inside(values[first], values[other])}")
    return tuple(found)


def _at(conf: Mapping[str, Any], where: str) -> Any:
    value: Any = conf
    for key in where.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _inside(left: Any, right: Any) -> str:
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return f": {left} and {right}"
    keys = [key for key in dict.fromkeys([*left, *right]) if left.get(key) != right.get(key)]
    told = ", ".join(f"{key} {left.get(key)} and {right.get(key)}" for key in keys[:3])
    return f": {told}" + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")


def spread(group: Group) -> tuple[float, float, float]:
    """Quartiles of the hypervolume over a group's seeds."""
    volumes = group.volumes
    if len(volumes) == 1:
        return (volumes[0],) * 3
    low, middle, high = statistics.quantiles(volumes, n=4, method="inclusive")
    return low, middle, high
