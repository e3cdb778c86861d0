"""How long training stands still for each latency measurement, by the number of trainers and the time that a measurement may take.

    python benchmarks/pausing.py [--space segformer_b0] [--arches 4] [--trainers 1 2 4] [--max-s 2 8]

Trainers step a network on the same cores as our trials do, giving way to a measurement. Shown, per measurement: seconds from the
wish to measure until the device was free, seconds that the device was then taken, and seconds that a trainer stood still (the mean
over them); beside it what more than the taken seconds each trainer lost. Takes about arches * (max-s + 3) seconds for each line.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from latency_repeatability import loaded, members
from rich.console import Console
from rich.table import Table

from evaluators.latency import BACKENDS
from evaluators.turns import DeviceTurns


@dataclass(frozen=True)
class TimedTurns(DeviceTurns):
    """Turns that note how long each measurement waited for its own, and how long it took."""

    waits: list[float] = field(default_factory=list)
    holds: list[float] = field(default_factory=list)

    @contextmanager
    def measuring(self) -> Iterator[None]:
        asked = time.perf_counter()
        with super().measuring():
            begun = time.perf_counter()
            self.waits.append(begun - asked)
            try:
                yield
            finally:
                self.holds.append(time.perf_counter() - begun)


def row(networks: list[Any], size: tuple[int, int], *, trainers: int, max_s: float, threads: int) -> list[str]:
    """One line: all networks after the first measured beside the first, so many trainers at work."""
    backend, turns = BACKENDS["torch"](device="cpu", threads=threads, max_s=max_s), TimedTurns("cpu")
    with ExitStack() as stack:
        still = [stack.enter_context(loaded("trainer", DeviceTurns("cpu"))) for _ in range(trainers)]
        before = [waited.value for waited in still]  # while the trainers started nothing was measured
        for network in networks[1:]:
            backend.measure(network, networks[0], size, turns)
        lost = [waited.value - earlier for waited, earlier in zip(still, before, strict=True)]
    each, held = statistics.mean(lost) / (len(networks) - 1), statistics.mean(turns.holds)
    told = (statistics.mean(turns.waits), held, each, each - held)
    return [str(trainers), f"{max_s:g}", *(f"{seconds:.2f}" for seconds in told)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="segformer_b0")
    parser.add_argument("--arches", type=int, default=4)
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels")
    parser.add_argument("--threads", type=int, default=0, help="of the measurement; 0 is every core")
    parser.add_argument("--trainers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--max-s", type=float, nargs="+", default=[2.0, 8.0], help="longest measurement")
    given = parser.parse_args()
    if given.arches < 1 or min(given.trainers) < 1:
        parser.error(f"--arches {given.arches}, --trainers {given.trainers}: one or more")
    networks, size = members(given.space, given.arches, given.size)
    torch.set_num_threads(1)
    heading = ("trainers", "max_s", "waited, s", "taken, s", "training still, s", "of it not for the device, s")
    table = Table(*heading, title=f"per measurement; {given.arches} members of {given.space}, {given.size} pixels")
    for trainers, max_s in itertools.product(given.trainers, given.max_s):
        table.add_row(*row(networks, size, trainers=trainers, max_s=max_s, threads=given.threads))
    Console().print(table)


if __name__ == "__main__":
    main()
