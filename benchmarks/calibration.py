"""Whether a schedule tells architectures apart: some of them trained under several seeds, spread between beside spread within.

    python benchmarks/calibration.py [--space segformer] [--members 4] [--seeds 3] [overrides ...]

Trains the baseline, the known members and random ones (the same each time) as a run of its own, `calibration`, which goes on where
it was stopped; about ten minutes for segformer with the default schedule on two cores. Overrides are those of run_search.py.
"""

import argparse
import random
import subprocess
import sys
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import f_oneway

from config import compose, load_space, typed
from evaluators.data import Data
from evaluators.task import Task
from report.figures import figure
from search.records import read
from space import Space

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="segformer")
    parser.add_argument("--members", type=int, default=4, help="random members beside the named ones")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_intermixed_args()
    overrides = [f"+space={options.space}", *options.overrides]
    with compose(overrides) as conf:
        space, task, data, schedule = load_space(conf, options.space, overrides), *map(typed, (conf.task, conf.data, conf.schedule))
        names = [conf.space.baseline, *conf.space.known]
    folder = ROOT / "results" / options.space / "calibration"
    files = write_members(space, options.members, folder / "members")
    listed = ",".join([*names[1:], *map(str, files)])
    seeds = ",".join(map(str, range(options.seeds)))
    search = ["search=archs", f"search.archs=[{listed}]", f"search.seeds=[{seeds}]", "search.keep=false", "run=calibration"]
    quick = ["latency.max_s=1", "latency.min_pairs=2", "latency.warmup_s=0"]  # accuracy is the question here
    subprocess.run([sys.executable, "run_search.py", *overrides, *search, *quick], cwd=ROOT, check=True)
    show(folder, [*names, *(file.stem for file in files)], next(iter(task.metrics)), ignorant(task, data, schedule.image_size))


def write_members(space: Space, count: int, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random("calibration")
    files = [folder / f"random_{number}.yaml" for number in range(1, count + 1)]
    for file in files:
        file.write_text(space.sample(rng).to_yaml())
    return files


def ignorant(task: Task, data: Data, size: int) -> tuple[str, float]:
    """An answer that needs no look at the image, and what the task's first metric makes of it."""
    samples = data.val_set(size)
    targets = [samples[index][1] for index in range(len(samples))]
    if task.target == "boxes":
        return "no box anywhere", 0.0
    if task.target == "points":
        counts = torch.tensor([float(len(target["points"])) for target in targets])
        return "the median count everywhere", (counts - counts.median()).abs().mean().item()
    scorer, truth = task.scorer(data.classes, torch.device("cpu")), torch.stack([torch.as_tensor(target) for target in targets])
    logits = torch.zeros(len(samples), data.classes, *(1 for _ in truth.shape[1:]))
    logits[:, truth.flatten().bincount().argmax()] = 1
    scorer.update(logits, truth)
    return "the most frequent class everywhere", scorer.compute()[next(iter(task.metrics))]


def show(folder: Path, names: list[str], metric: str, blind: tuple[str, float]) -> None:
    rows = [(record.proposal.arch.id, record.measurements[metric]) for record in read(folder) if record.ok]
    trainings = pd.DataFrame(rows, columns=["arch", metric]).groupby("arch", sort=False)[metric]
    by = trainings.agg(["mean", "std", "min", "max"])
    table = Table("architecture", f"{figure(metric).label}, mean", "sd over seeds", "lowest", "highest")
    for name, (_, row) in zip(names, by.iterrows(), strict=True):
        table.add_row(name, *(f"{row[key]:.3f}" for key in ("mean", "std", "min", "max")))
    within, between = (by["std"] ** 2).mean() ** 0.5, by["mean"].std()
    table.caption = (
        f"{blind[0]}: {blind[1]:.3f}; sd within (over seeds) {within:.3f}, "
        f"between architectures {between:.3f}, ratio {between / within:.1f}; "
        f"were all equal, means would differ as much with probability {f_oneway(*(of for _, of in trainings)).pvalue:.1g} (F test)"
    )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
