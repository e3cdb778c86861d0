"""What the engine adds to a trial: the same trainings by a bare loop, by launch=serial and by launch=ray, in turns.

    python benchmarks/overhead.py [--trials 6] [--rounds 3]

Each way trains the same architectures on one thread with the same seeds. The first trial pays for what a process does once
(imports, data); it is counted with the start.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from config import compose, load_space, typed
from evaluators.api import Job, Outcome, RungResult
from evaluators.train import seeded, train
from search.launch import LAUNCHERS
from search.progress import Progress
from search.records import Log, events
from search.strategy import STRATEGIES
from space import Arch, Space


@dataclass(frozen=True)
class TrainOnly:
    """An evaluation without cost and latency: what the bare loop does, behind the engine's interface."""

    task: Any
    data: Any
    schedule: Any

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        job.directory.mkdir(parents=True, exist_ok=True)
        with seeded(job.seed):
            network = self.trainee(job.arch)
        options = {"seed": job.seed, "rung": job.rung, "directory": job.directory, "device": "cpu"}
        yield from train(network, self.task, self.data, self.schedule, **options)
        yield Outcome("ok")


def bare(evaluate: TrainOnly, arches: list[Arch], directory: Path) -> float:
    """Seconds of the trainings after the first one, one after the other, with their checkpoints, and nothing else."""
    for number, arch in enumerate(arches):
        list(evaluate(Job(arch, 0, len(evaluate.schedule.rungs), directory / str(number))))
        if number == 0:
            start = time.perf_counter()
    return time.perf_counter() - start


def engine(launcher: Any, evaluate: TrainOnly, space: Space, arches: list[Arch], directory: Path) -> tuple[float, float]:
    """(seconds from the first trial's end to the last one's, the run's other seconds: its start, first trial and stop)."""
    strategy = STRATEGIES["archs"](baseline=False, members=arches, rungs=evaluate.schedule.rungs, keep=False)
    progress = Progress(len(arches), goals=strategy.goals, last=strategy.rung, console=Console(quiet=True))
    start = time.perf_counter()
    with Log.open(directory) as log:
        launcher.run(space, strategy, evaluate, log, progress=progress)
    whole = time.perf_counter() - start
    ended = [event for event in events(directory / "trials.jsonl") if event["event"] == "ended"]
    assert [event["kind"] for event in ended] == ["ok"] * len(arches), ended
    work = ended[-1]["at"] - ended[0]["at"]
    return work, whole - work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    overrides = ["+space=segformer_b0", "schedule=smoke", "schedule.threads=1", "schedule.sample_fraction=0.2"]
    with compose(overrides) as conf:
        space = load_space(conf, "segformer_b0", overrides)
        evaluate = TrainOnly(typed(conf.task), typed(conf.data), typed(conf.schedule))
    rng = random.Random(0)
    arches = [space.sample(rng) for _ in range(options.trials)]
    launchers = {"serial": LAUNCHERS["serial"](), "ray": LAUNCHERS["ray"](workers=1)}
    loops: list[float] = []
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in launchers}
    for _ in track(range(options.rounds), description="rounds", transient=True):
        with tempfile.TemporaryDirectory() as folder:
            loops.append(bare(evaluate, arches, Path(folder) / "bare"))
            for name, launcher in launchers.items():
                runs[name].append(engine(launcher, evaluate, space, arches, Path(folder) / name))
    show(loops, runs, options.trials - 1)


def show(loops: list[float], runs: dict[str, list[tuple[float, float]]], trials: int) -> None:
    """Medians over the rounds, in seconds a trial, and each way's ratio to the bare loop of its round."""
    table = Table("way", "s a trial", "added s a trial", "ratio to the bare loop", "start, first trial, stop, s")
    table.add_row("bare loop", f"{statistics.median(loops) / trials:.3f}", "", "1", "")
    for name, readings in runs.items():
        ratios = [work / loop for (work, _), loop in zip(readings, loops, strict=True)]
        added = [(work - loop) / trials for (work, _), loop in zip(readings, loops, strict=True)]
        spread = f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
        work, around = (statistics.median(part) for part in zip(*readings, strict=True))
        table.add_row(f"launch={name}", f"{work / trials:.3f}", f"{statistics.median(added):+.3f}", spread, f"{around:.1f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
