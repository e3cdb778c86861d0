"""How well a latency repeats: the same architectures timed twice, on an idle machine and under load, in three ways.

    python benchmarks/latency_repeatability.py [--space segformer_b0] [--arches 10] [--passes 2] [--load idle trainer foreign]

Ways: `ours` (evaluators/latency: in turns with the baseline, the device to itself among our own processes, once more at the end
of a pass where the baseline took much longer than it does as a rule), `loop` (a warmed-up mean, the baseline's taken once at the
start, as a script would) and `average` (the mean of ten forwards, the first included, as many published tools take it). Loads:
`trainer` steps a network on the same cores as our trials do, giving way to a measurement; `foreign` does not know of turns. All are
told as ratios to the baseline. Shown: the coefficient of variation of an architecture's ratio over the passes of a load and those
of the idle machine, mean and worst over the architectures; the rank correlation of the first two passes; how long training stood
still per measurement. Takes about arches * passes * loads * (max-s + 7) seconds, so thirteen minutes as it is.
"""

import argparse
import functools
import itertools
import multiprocessing
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from typing import Any

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr
from torch import nn

from config import compose, load_space
from evaluators.formats.agreement import probe
from evaluators.latency import BACKENDS, SLOWED, Paired
from evaluators.turns import DeviceTurns
from search.steady import usual
from space import build_measured

WAYS = ("ours", "loop", "average")
LOADS = ("idle", "trainer", "foreign")


def step_until(stop: Event, started: Event, waited: "Synchronized[float]", turns: DeviceTurns | None) -> None:
    """Train a small network, by turns where there are any; `waited` adds up what each turn had to wait for."""
    network = nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.ReLU(), nn.Conv2d(64, 8, 3))
    optimizer, images = torch.optim.SGD(network.parameters(), lr=1e-3), torch.randn(8, 3, 64, 64)
    while not stop.is_set():
        asked = time.perf_counter()
        with turns.training_step() if turns else nullcontext():
            waited.value += time.perf_counter() - asked
            optimizer.zero_grad()
            network(images).square().mean().backward()
            optimizer.step()
        started.set()


@contextmanager
def loaded(load: str, turns: DeviceTurns) -> Iterator["Synchronized[float]"]:
    """A process that trains beside us; yields the seconds it has waited."""
    context = multiprocessing.get_context("spawn")
    stop, started, waited = context.Event(), context.Event(), context.Value("d", 0.0)
    given = (stop, started, waited, turns if load == "trainer" else None)
    process = context.Process(target=step_until, args=given, daemon=True)
    if load != "idle":
        process.start()
        started.wait()
    try:
        yield waited
    finally:
        stop.set()
        if load != "idle":
            process.join()


def mean_time(forward: Callable[[], object], *, warmup: int, seconds: float, least: int = 10) -> float:
    """Seconds of a forward, as a mean over at least `least` and as many as the time allows."""
    for _ in range(warmup):
        forward()
    start, done = time.perf_counter(), 0
    while done < least or (warmup and time.perf_counter() - start < seconds):
        forward()
        done += 1
    return (time.perf_counter() - start) / done


def one_pass(
    networks: list[nn.Module], backend: Paired, size: tuple[int, int], turns: DeviceTurns, title: str
) -> dict[str, list[float]]:
    """The ratio of every network after the first to the first, in each way."""
    baseline, found, ours = networks[0], {way: [] for way in WAYS}, []
    image = probe(size)
    with torch.inference_mode():
        references = {
            "loop": mean_time(lambda: baseline(image), warmup=3, seconds=backend.max_s / 2),
            "average": mean_time(lambda: baseline(image), warmup=0, seconds=0),
        }
    for network in track(networks[1:], title):
        ours.append(backend.measure(network, baseline, size, turns))
        with torch.inference_mode():
            forward = functools.partial(network, image)
            found["average"].append(mean_time(forward, warmup=0, seconds=0) / references["average"])
            found["loop"].append(mean_time(forward, warmup=3, seconds=backend.max_s / 2) / references["loop"])
    rule = usual(ours)["latency_ms"]
    for place, (network, measured) in enumerate(zip(networks[1:], ours, strict=True)):
        if measured["baseline_latency_ms"] > SLOWED * rule:
            ours[place] = backend.measure(network, baseline, size, turns)
    found["ours"] = [measured["latency_ratio"] for measured in ours]
    return found


def variation(ratios: list[float]) -> float:
    """Coefficient of variation in percent."""
    return statistics.stdev(ratios) / statistics.mean(ratios) * 100


def rows(passes: dict[str, list[dict[str, list[float]]]]) -> Iterator[list[str]]:
    for load, way in itertools.product(passes, WAYS):
        taken = [*passes[load], *(passes["idle"] if load != "idle" and "idle" in passes else [])]
        spreads = [variation(list(ratios)) for ratios in zip(*(found[way] for found in taken), strict=True)]
        first, second = (found[way] for found in passes[load][:2])
        order = f"{spearmanr(first, second).statistic:.2f}"
        yield [load, way, f"{statistics.mean(spreads):.1f} %", f"{max(spreads):.1f} %", order]


def members(name: str, count: int, size: int) -> tuple[list[nn.Module], tuple[int, int]]:
    """The baseline of a space and random members, built."""
    with compose([f"+space={name}", f"space.input_size=[{size},{size}]"]) as conf:
        space = load_space(conf, name, [])
    rng, shape = random.Random(0), (size, size)
    arches = [space.baseline, *(space.sample(rng) for _ in range(count))]
    return [build_measured(arch, 20, image_size=shape).eval() for arch in arches], shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="segformer_b0")
    parser.add_argument("--arches", type=int, default=10)
    parser.add_argument("--passes", type=int, default=2, help="two or more")
    parser.add_argument("--size", type=int, default=256, help="side of the image in pixels")
    parser.add_argument("--max-s", type=float, default=6.0, help="longest of our measurements; the loop has half for each network")
    parser.add_argument("--threads", type=int, default=0, help="0 is every core")
    parser.add_argument("--load", nargs="+", default=list(LOADS), choices=LOADS)
    given = parser.parse_args()
    if given.passes < 2 or given.arches < 2:
        parser.error(f"--passes {given.passes}, --arches {given.arches}: two or more are needed of each")
    report(given)


def report(given: Any) -> None:
    networks, size = members(given.space, given.arches, given.size)
    backend = BACKENDS["torch"](device="cpu", threads=given.threads, max_s=given.max_s)
    torch.set_num_threads(backend.resolved_threads)
    turns, passes, still = DeviceTurns("cpu"), {}, {}
    for load in given.load:
        with loaded(load, turns) as waited:
            titles = [f"{load}, pass {number + 1}" for number in range(given.passes)]
            passes[load] = [one_pass(networks, backend, size, turns, title) for title in titles]
            still[load] = waited.value / (given.passes * given.arches)
    heading = ("load", "way", "variation, mean", "worst", "order of two passes")
    table = Table(
        *heading, title=f"{given.arches} members of {given.space}, {given.size} pixels, {backend.resolved_threads} threads"
    )
    for row in rows(passes):
        table.add_row(*row)
    Console().print(table)
    if "trainer" in still:
        Console().print(f"Training stood still for {still['trainer']:.1f} s per measurement.")


if __name__ == "__main__":
    main()
