"""Which choices of a finished search went with a better or worse result: Optuna's fANOVA on the trained members.

It is observational: the search decided what was trained, choices that tend to occur together share their importance as the forest
happens to split it, and nothing was repeated for it. An ablation (search=ablation) is the experiment.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from report.run import Run, Trial
from space.places import INACTIVE, places

ENOUGH = 20
"""Fewer members than this tell nothing of the choices."""
MOST = 400
"""Members that a forest is grown on: of more, so many drawn at random."""
TREES = 16
SHOWN = 12
"""Choices shown, the most important first."""


@dataclass(frozen=True)
class Importance:
    """Of one measurement: each choice's share of the variance that the forest sees, `members` it was grown on, and its R^2 on
    members that a tree had not seen (near or below 0: what follows is noise)."""

    name: str
    shares: tuple[tuple[str, float], ...]
    members: int
    predicts: float


def importances(run: Run) -> tuple[Importance, ...]:
    """For the first objective and for latency; none where fewer than ENOUGH members were fully trained."""
    last = max((trial.rung for trial in run.trials if trial.kind == "ok"), default=0)
    done = {t.arch.id: t for t in run.trials if t.kind == "ok" and t.rung == last and last > 0}
    if len(done) < ENOUGH or not run.finished:
        return ()
    names = dict.fromkeys([run.goals[0].name, "latency_ms"])
    found = (_importance(list(done.values()), name) for name in names)
    return tuple(importance for importance in found if importance is not None)


def _importance(trials: Sequence[Trial], name: str) -> Importance | None:
    valued = [trial for trial in trials if isinstance(trial.measurements.get(name), int | float)]
    if len(valued) < ENOUGH:
        return None
    if len(valued) > MOST:
        valued = random.Random(0).sample(valued, MOST)  # a second writing of a report is the same
    columns = choices([places(trial.arch.arch) for trial in valued])
    target = [float(trial.measurements[name]) for trial in valued]
    if not columns or len(set(target)) < 2:
        return None
    shares = sorted(((place, float(share)) for place, share in _fanova(columns, target).items()), key=lambda entry: -entry[1])
    return Importance(name, tuple(shares[:SHOWN]), len(valued), _predicts(columns, target))


def choices(archs: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Place -> its value in every arch; without places that never differ where they exist, or differ exactly as one before does."""
    found: dict[str, list[str]] = {}
    seen = set()
    for place in dict.fromkeys(place for arch in archs for place in arch):
        values = [arch.get(place, INACTIVE) for arch in archs]
        order: dict[str, int] = {}
        numbered = tuple(order.setdefault(value, len(order)) for value in values)
        if len(order.keys() - {INACTIVE}) > 1 and numbered not in seen:
            seen.add(numbered)
            found[place] = values
    return found


def _fanova(columns: Mapping[str, Sequence[str]], target: Sequence[float]) -> dict[str, float]:
    import optuna  # slow to import, and few reports need it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    spaces = {place: optuna.distributions.CategoricalDistribution(sorted(set(values))) for place, values in columns.items()}
    study = optuna.create_study()
    study.add_trials(
        [
            optuna.trial.create_trial(params={p: values[n] for p, values in columns.items()}, distributions=spaces, value=value)
            for n, value in enumerate(target)
        ]
    )
    return dict(optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=0).evaluate(study, params=list(columns)))


def _predicts(columns: Mapping[str, Sequence[str]], target: Sequence[float]) -> float:
    from sklearn.ensemble import RandomForestRegressor

    levels = [np.array(values)[:, None] == np.array(sorted(set(values))) for values in columns.values()]
    forest = RandomForestRegressor(n_estimators=64, oob_score=True, random_state=0)
    return float(forest.fit(np.hstack(levels).astype(float), target).oob_score_)
