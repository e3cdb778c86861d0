"""Trainings of runs as a table that any strategy can be replayed on: `python -m report table results/... --to mine`.

A row is one network under one seed, trained to the last rung; its choices are the places in which the networks differ. What one
sweep cost once, strategies can then be compared on in seconds, under as many seeds as it takes to tell them apart (docs/tables.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from evaluators.api import TRAIN_LOSS
from report.figures import LEADING
from report.run import Run, Trial
from space.places import INACTIVE, places

SEED = "seed"
HEAD = "# Written by `python -m report table`, which replaces it when it is run again.\n"


@dataclass(frozen=True)
class Recorded:
    """The rows, and what conf/table/<name>.yaml says of them but for the file. `left_out`: finished trials that stopped earlier."""

    rows: pd.DataFrame
    mapping: Mapping[str, Any]
    left_out: int


def recorded(runs: Sequence[Run]) -> Recorded:
    """The table of at least one run. ValueError where runs do not belong in one table, or less than two networks were trained."""
    first = runs[0]
    for run in runs[1:]:
        for what, value in _nature(run).items():
            if value != _nature(first)[what]:
                raise ValueError(f"{run.directory}: {what} {value}; {first.directory} has {_nature(first)[what]}: not one table")
    if not first.rungs:
        raise ValueError(f"{first.directory}: its config.yaml has no schedule.rungs; expected a run that trains")
    last, finished = len(first.rungs), [trial for run in runs for trial in run.trials if trial.kind == "ok"]
    whole = {(trial.arch.id, trial.seed): trial for trial in reversed(finished) if trial.rung >= last}  # of equals the first
    trials = list(reversed(whole.values()))
    if len({trial.arch.id for trial in trials}) < 2:
        raise ValueError(f"{first.directory}: fewer than two networks were trained to the last rung; there is nothing to search")
    metric = _metric(first, trials)
    given = [{name: value for name, value in places(trial.arch.arch).items() if value != INACTIVE} for trial in trials]
    varied = _varied(given)
    measured = _measured(first, trials)
    lossless = metric == TRAIN_LOSS or not any(TRAIN_LOSS in read for trial in trials for read in trial.rungs.values())
    told = ["train_s"] if lossless else [TRAIN_LOSS, "train_s"]
    lines = []
    for trial, found in zip(trials, given, strict=True):
        line = {name: found.get(name, "") for name in varied}
        line |= {SEED: trial.seed} | {name: trial.measurements[name] for name in measured}
        for rung, epochs in enumerate(first.rungs, start=1):
            read = trial.rungs.get(rung, {})  # a rung that is a training of its own may have been passed by
            line |= {f"{name}_{epochs}": read.get(name) for name in (metric, *told)}
        lines.append(line)
    mapping = {
        "choices": varied,
        "rungs": [
            {"epochs": n, "accuracy": [f"{metric}_{n}"], "seconds": f"train_s_{n}"}
            | ({"loss": [f"{TRAIN_LOSS}_{n}"]} if TRAIN_LOSS in told else {})
            for n in first.rungs
        ],
        "measurements": {name: name for name in measured},
        "metric": {metric: next(goal.direction for goal in first.goals if goal.name == metric)},
        "separate": first.separate,
        "seed": SEED,
    }
    return Recorded(pd.DataFrame(lines), mapping, len({(t.arch.id, t.seed) for t in finished if t.rung > 0} - set(whole)))


def write_table(found: Recorded, folder: Path, name: str) -> tuple[Path, Path]:
    """<folder>/<name>.csv.gz and the mapping, <folder>/table/<name>.yaml, where `--config-dir <folder>` finds it. ValueError where
    a mapping that was not written so would be lost."""
    file, conf = folder / f"{name}.csv.gz", folder / "table" / f"{name}.yaml"
    if conf.is_file() and not conf.read_text(encoding="utf-8").startswith(HEAD):
        raise ValueError(f"{conf}: is there already, and not from `python -m report table`; expected another --name or --to")
    conf.parent.mkdir(parents=True, exist_ok=True)
    found.rows.to_csv(file, index=False)
    whole = {"defaults": ["table_schema", "_self_"], "file": str(file.resolve()), **found.mapping}
    conf.write_text(HEAD + yaml.safe_dump(whole, sort_keys=False, width=130), encoding="utf-8")
    return file, conf


def replay_command(found: Recorded, run: Run, folder: Path, name: str) -> str:
    """A search of the table by the run's own objectives."""
    said = {goal.name: goal.direction for goal in run.goals if goal.name not in found.mapping["metric"]}
    words = [] if "latency_ms" in said else ["'~search.objectives.latency_ms'"]
    words += [f"search.objectives.{goal}={direction}" for goal, direction in said.items() if goal != "latency_ms"]
    return " ".join([f"python run_search.py --config-dir {folder} +table={name}", "search=mutate", "launch=serial", *words])


def _nature(run: Run) -> dict[str, Any]:
    """What all runs of a table have alike."""
    named = {trial.arch.network for trial in run.trials}
    return {
        "network": ", ".join(sorted(named)),
        "schedule": run.conf.get("schedule"),
        "table": run.conf.get("table"),
        "task": run.conf.get("task"),
        "data": run.conf.get("data"),
        "objectives": [(goal.name, goal.direction) for goal in run.goals],
    }


def _varied(given: Sequence[Mapping[str, str]]) -> list[str]:
    """The places with several values. One that other networks merely lack is no choice: the option that it belongs to is."""
    values: dict[str, set[str]] = {}
    for found in given:
        for name, value in found.items():
            values.setdefault(name, set()).add(value)
    return [name for name, seen in values.items() if len(seen) > 1]


def _metric(run: Run, trials: Sequence[Trial]) -> str:
    """The first objective that training tells."""
    trained = {name for trial in trials for rung, found in trial.rungs.items() if rung > 0 for name in found}
    named = [goal.name for goal in run.goals if goal.name in trained]
    if not named:
        raise ValueError(f"{run.directory}: none of its objectives ({', '.join(g.name for g in run.goals)}) comes from training")
    return named[0]


def _measured(run: Run, trials: Sequence[Trial]) -> list[str]:
    """Costs that every trial has: those that reports show, then other objectives."""
    wanted = dict.fromkeys([*LEADING, *(goal.name for goal in run.goals), *((run.conf.get("search") or {}).get("limits") or {})])
    return [name for name in wanted if all(isinstance(t.rungs.get(0, {}).get(name), int | float) for t in trials)]
