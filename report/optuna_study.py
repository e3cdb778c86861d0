"""A run as an Optuna study: what `optuna-dashboard study.db` opens, and what Optuna's own analyses read.

A trial's parameters are its choices by dotted place, its values the objectives at the furthest rung of the run. What it measured
besides, its arch id, its seed and why it ended are user attributes; an objective's readings along the rungs are intermediate
values where there is one objective (Optuna has none for several).
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report.run import Run, Trial
from search.objectives import point
from space.places import places

if TYPE_CHECKING:
    import optuna

ENDINGS = {".db": "SQLite", ".sqlite": "SQLite", ".sqlite3": "SQLite", ".journal": "a journal", ".log": "a journal"}


def write_study(run: Run, path: Path) -> tuple[str, int]:
    """Write the run into `path` as a study named after it; one of that name is replaced. Returns the name and the trials written.
    ValueError where the file's ending is none of a storage."""
    if path.suffix not in ENDINGS:
        raise ValueError(f"--to {path}: unknown ending '{path.suffix}'; allowed: .db (SQLite), .journal")
    if not path.parent.is_dir():
        raise ValueError(f"--to {path}: there is no folder {path.parent}")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = _storage(path)
    name = f"{run.directory.parent.name}/{run.directory.name}"
    if name in [study.study_name for study in storage.get_all_studies()]:
        optuna.delete_study(study_name=name, storage=storage)
    directions = ["maximize" if goal.direction == "max" else "minimize" for goal in run.goals]
    study = optuna.create_study(study_name=name, storage=storage, directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([goal.name for goal in run.goals])
    study.set_user_attr("run", str(run.directory))
    study.set_user_attr("command", run.command)
    study.set_user_attr("finished", run.finished or "no")
    trials = _trials(run)
    study.add_trials(trials)
    return name, len(trials)


def _storage(path: Path) -> "optuna.storages.BaseStorage":
    import optuna

    if ENDINGS[path.suffix] == "SQLite":
        return optuna.storages.RDBStorage(f"sqlite:///{path.resolve()}")
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(path)))


def _trials(run: Run) -> list[Any]:
    import optuna

    chosen = [places(trial.arch.arch) for trial in run.trials]
    spaces = {place: optuna.distributions.CategoricalDistribution(options) for place, options in _options(chosen).items()}
    last = max((trial.rung for trial in run.trials if trial.kind == "ok"), default=0)
    return [_trial(run, trial, params, spaces, last) for trial, params in zip(run.trials, chosen, strict=True)]


def _options(chosen: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Every option that a place had; a place that never differs is no choice."""
    found: dict[str, dict[str, None]] = {}
    for params in chosen:
        for place, value in params.items():
            found.setdefault(place, {})[value] = None
    whole = {place for place in found if all(place in params for params in chosen)}
    return {place: list(options) for place, options in found.items() if len(options) > 1 or place not in whole}


def _trial(run: Run, trial: Trial, params: Mapping[str, str], spaces: Mapping[str, Any], last: int) -> Any:
    import optuna

    states = optuna.trial.TrialState
    values = [goal.value(trial.measurements) for goal in run.goals]
    whole = trial.kind == "ok" and trial.rung == last and point(trial.measurements, run.goals) is not None
    ended = {"ok": states.PRUNED, "measured": states.PRUNED, "infeasible": states.PRUNED, "open": states.RUNNING}
    state = states.COMPLETE if whole else ended.get(trial.kind, states.FAIL)
    attributes = {"trial": trial.number, "arch_id": trial.arch.id, "seed": trial.seed, "rung": trial.rung, "kind": trial.kind}
    attributes |= {"reason": trial.reason} if trial.reason else {}
    attributes |= {name: value for name, value in trial.measurements.items() if value is not None}
    kept = {place: value for place, value in params.items() if place in spaces}
    return optuna.trial.create_trial(
        state=state,
        values=values if whole else None,
        params=kept,
        distributions={place: spaces[place] for place in kept},
        user_attrs=attributes,
        intermediate_values=_readings(run, trial),
    )


def _readings(run: Run, trial: Trial) -> dict[int, float]:
    if len(run.goals) != 1:
        return {}
    (goal,) = run.goals
    return {rung: value for rung, found in trial.rungs.items() if rung > 0 and (value := goal.value(found)) is not None}
