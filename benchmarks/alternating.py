"""Two implementations timed in turns, in one process: what the benchmarks beside published code share.

Each round times one after the other, in changing order, so that drift of the machine cancels. The ratio is that of the medians, the
noise half the distance of the quartiles of the rounds' own ratios. Below 1: ours is faster.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from rich.table import Table
from torch.utils.benchmark import Timer

Step = Callable[[], object]


def add_options(parser: argparse.ArgumentParser) -> None:
    """How long to time, on how many threads."""
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())


def table(title: str) -> Table:
    return Table("", "", "ours ms", "theirs ms", "ratio", "noise", title=title)


def row(ours: Step, theirs: Step, *, rounds: int, threads: int) -> list[str]:
    """Milliseconds of both, their ratio and its noise."""
    return summary(in_turns(ours, theirs, rounds=rounds, threads=threads))


def seconds(step: Step, threads: int) -> float:
    return Timer("step()", globals={"step": step}, num_threads=threads).timeit(1).median


def in_turns(ours: Step, theirs: Step, *, rounds: int, threads: int) -> list[tuple[float, float]]:
    """Seconds of (ours, theirs), round by round; one round before them warms up."""
    times = []
    for i in range(rounds + 1):
        order = (ours, theirs) if i % 2 else (theirs, ours)
        taken = [seconds(step, threads) for step in order]
        times.append((taken[0], taken[1]) if i % 2 else (taken[1], taken[0]))
    return times[1:]


def summary(times: list[tuple[float, float]]) -> list[str]:
    medians = [statistics.median(column) for column in zip(*times, strict=True)]
    low, _, high = statistics.quantiles((mine / other for mine, other in times), n=4)
    return [f"{medians[0] * 1e3:.1f}", f"{medians[1] * 1e3:.1f}", f"{medians[0] / medians[1]:.3f}", f"+-{(high - low) / 2:.3f}"]
