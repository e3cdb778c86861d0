"""How much training a run took for the hypervolume that it ended with, and for any part of it."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter

from report.front import Comparison
from report.run import Run
from search.objectives import point
from search.pareto import Point, dominates, hypervolume

ENOUGH = 1 - 1e-9
"""A hypervolume is a sum: as much to rounding is as much."""


@dataclass(frozen=True)
class Effort:
    """`steps`: the epochs charged by the time that the hypervolume grew, and what it grew to; `epochs`: of the whole run."""

    steps: tuple[tuple[float, float], ...]
    epochs: float

    def until(self, volume: float) -> float | None:
        """Epochs until there was so much hypervolume; None where there never was."""
        place = bisect_left(self.steps, volume * ENOUGH, key=itemgetter(1))
        return self.steps[place][0] if place < len(self.steps) else None


def effort(run: Run, comparison: Comparison, reference: Point) -> Effort:
    """Trainings are charged in the order in which they were asked for, each less what the trial had been trained before, and a
    network counts from its first full training on with all that became known of it."""
    whole = {n.arch.id: at for n in comparison.networks if n.rung == comparison.rung and (at := point(n.measurements, run.goals))}
    trials = {trial.number: trial for trial in run.trials}
    reached: dict[int, int] = {}
    epochs, front, steps = 0.0, [], []
    for number, rung in run.trained:
        epochs += run.epochs(rung, reached.get(number, 0))
        reached[number] = rung
        trial = trials[number]
        at = whole.get(trial.arch.id) if rung >= comparison.rung and trial.kind == "ok" else None
        if at is not None and not any(other == at or dominates(other, at) for other in front):
            front = _with(front, at)
            steps.append((epochs, hypervolume(front, reference)))
    return Effort(tuple(steps), epochs)


def _with(front: Sequence[Point], at: Point) -> list[Point]:
    return [other for other in front if not dominates(at, other)] + [at]
