"""What trained weights are worth to a search: the same search from chance, from a checkpoint (init=<file>) and from the run's own
members (init=parent), with the same budget.

    python benchmarks/pretrained.py [--space metaformer] [--trials 10] [--epochs 12] [--seeds 0 1] [overrides ...]

First the baseline alone is trained for so many epochs: the published network of this experiment. Then each way searches once per
seed; the members that it tries differ as its own results lead it. Objectives are the task's accuracy and macs_g: no clock decides.
Runs lie in results/<space>/pretrained-* and go on where they were stopped. Overrides are those of run_search.py.
"""

import argparse
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

import report.run
from search.objectives import Objective, point
from search.pareto import Point, front, hypervolume
from search.records import Records, read

ROOT = Path(__file__).parents[1]
QUICK = ["latency.max_s=1", "latency.min_pairs=2", "latency.warmup_s=0"]  # accuracy is the question here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="metaformer")
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=12, help="of the baseline's own training")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    pretrained = train_baseline(options.space, options.epochs, options.overrides)
    goals = ["~search.objectives.latency_ms", "+search.objectives.macs_g=min", f"search.trials={options.trials}"]
    found: dict[str, list[Path]] = {}
    for seed in options.seeds:
        for way, init in (("from chance", None), ("from a checkpoint", pretrained), ("from the nearest member", "parent")):
            run = f"pretrained-{way.split()[-1]}-{seed}"
            given = [f"init={init}"] if init else []
            search(options.space, run, [*options.overrides, *goals, *given, f"search.seed={seed}"])
            found.setdefault(way, []).append(directory(options.space, run))
    show(found)


def train_baseline(space: str, epochs: int, overrides: Sequence[str]) -> Path:
    """The baseline's checkpoint after a training of its own."""
    run = f"pretrained-baseline-{epochs}"
    alone = ["search=random", "search.trials=1", "search.keep=true", f"schedule.rungs=[{epochs}]"]
    search(space, run, [*overrides, *alone, "search.seed=100"])  # a seed that no search below has
    return directory(space, run) / "checkpoints" / "0" / "rung_1.pt"


def search(space: str, run: str, overrides: Sequence[str]) -> None:
    command = [sys.executable, "run_search.py", f"+space={space}", f"run={run}", *QUICK, *overrides]
    subprocess.run(command, cwd=ROOT, check=True)


def directory(space: str, run: str) -> Path:
    return ROOT / "results" / space / run


def show(found: dict[str, list[Path]]) -> None:
    """Each way's fronts, their hypervolume against one reference: no accuracy, and the dearest network of all runs."""
    runs = {way: [read(run) for run in at] for way, at in found.items()}
    goals = report.run.load(next(iter(found.values()))[0]).goals
    valued = {way: [points(records, goals) for records in all_of] for way, all_of in runs.items()}
    reference = tuple(max(p[i] for fronts in valued.values() for at in fronts for p in at) * 1.01 for i in range(len(goals)))
    reference = tuple(0.0 if goal.direction == "max" else value for goal, value in zip(goals, reference, strict=True))
    table = Table("begun", *(f"best {goal.name}" for goal in goals), "hypervolume", "runs")
    for way, fronts in valued.items():
        best = [statistics.fmean(min(p[i] for p in at) * goal.sign for at in fronts) for i, goal in enumerate(goals)]
        volume = statistics.fmean(hypervolume(at, reference) for at in fronts)
        table.add_row(way, *(f"{value:.3f}" for value in best), f"{volume:.4f}", str(len(fronts)))
    table.caption = f"means over runs; hypervolume above no accuracy and below {reference[-1]:.2f} G"
    Console(width=100).print(table)


def points(records: Records, goals: tuple[Objective, ...]) -> list[Point]:
    return [point(record.measurements, goals) for record in front(records, goals)]


if __name__ == "__main__":
    main()
