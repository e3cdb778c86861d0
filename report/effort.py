"""How much training a run took for the hypervolume that it ended with, and for any part of it."""

from bisect import bisect_left
from dataclasses import dataclass, field
from functools import cached_property

from report.front import Comparison
from report.run import Run
from search.objectives import point
from search.pareto import Point, hypervolume, ranks

SLICES = 60
"""So many places of a curve with three objectives or more, where a hypervolume is dear."""

ENOUGH = 1 - 1e-9
"""A hypervolume is a sum: as much to rounding is as much."""


@dataclass(frozen=True)
class Effort:
    """`found`: every network that was fully trained and that none before it dominates, with the epochs charged by then, in the
    order of the asks. `epochs`: of the whole run."""

    found: tuple[tuple[float, Point], ...]
    reference: Point
    epochs: float
    _volumes: dict[int, float] = field(default_factory=dict, compare=False, repr=False)

    def volume(self, count: int) -> float:
        """The hypervolume of the first so many."""
        if count not in self._volumes:
            points = [at for _, at in self.found[:count]]
            front = [at for at, level in zip(points, ranks(points), strict=True) if level == 0]
            self._volumes[count] = hypervolume(front, self.reference)
        return self._volumes[count]

    def until(self, volume: float) -> float | None:
        """Epochs until there was so much hypervolume; None where there never was."""
        place = bisect_left(range(1, len(self.found) + 1), volume * ENOUGH, key=self.volume)
        return self.found[place][0] if place < len(self.found) else None

    @cached_property
    def steps(self) -> tuple[tuple[float, float], ...]:
        """The epochs by the time that the hypervolume grew, and what it grew to."""
        last = len(self.found)
        every = 1 if len(self.reference) < 3 else max(1, last // SLICES)
        return tuple((self.found[n - 1][0], self.volume(n)) for n in range(1, last + 1) if n % every == 0 or n == last)


def effort(run: Run, comparison: Comparison, reference: Point) -> Effort:
    """Trainings are charged in the order in which they were asked for, each less what the trial had been trained before, and a
    network counts from its first full training on with all that became known of it."""
    whole = {n.arch.id: at for n in comparison.networks if n.rung == comparison.rung and (at := point(n.measurements, run.goals))}
    trials = {trial.number: trial for trial in run.trials}
    reached: dict[int, int] = {}
    epochs, trained = 0.0, list[tuple[float, Point]]()
    for number, rung in run.trained:
        epochs += run.epochs(rung, reached.get(number, 0))
        reached[number] = rung
        trial = trials[number]
        at = whole.get(trial.arch.id) if rung >= comparison.rung and trial.kind == "ok" else None
        if at is not None:
            trained.append((epochs, at))
    return Effort(tuple(_foremost(trained)), reference, epochs)


def _foremost(trained: list[tuple[float, Point]]) -> list[tuple[float, Point]]:
    """Without those that one before them equals or dominates."""
    kept: list[tuple[float, Point]] = []
    front: list[Point] = []
    for epochs, at in trained:
        if not any(all(a <= b for a, b in zip(other, at, strict=True)) for other in front):
            front = [other for other in front if not all(a <= b for a, b in zip(at, other, strict=True))] + [at]
            kept.append((epochs, at))
    return kept
