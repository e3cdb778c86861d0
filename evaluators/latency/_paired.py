"""Timing a candidate beside the baseline: readings taken in turns, and what they say.

A pair is one reading of each, in the order candidate-baseline, baseline-candidate, candidate-baseline ... (ABBA), so that a
machine that warms up or slows down steadily weighs on both alike.
"""

import timeit
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import Any, ClassVar

import torch
from scipy.stats import binom
from torch import nn

from evaluators.api import Measurements
from evaluators.formats.agreement import Disagrees, agreed, arrays, eager, probe, settled
from evaluators.latency._clock import clock_state
from evaluators.latency._memory import kept_memory
from evaluators.turns import DeviceTurns
from space import Arch

Forward = Callable[[], object]
"""One forward pass of a prepared network on a fixed input; returns the network's output."""

Stopwatch = Callable[[int], float]
"""Seconds that so many forwards take together."""

BLOCK_S = 0.02
"""A reading lasts at least this long: the forward is repeated within it, until the clock and a synchronisation do not matter."""

STABLE = 0.05
"""Warm: the last three forwards took as long as the three before them, within this share."""

SLOWED = 1.3
"""The machine was slower, however evenly, and the measurement is doubtful: the baseline took so many times what is its rule."""


class CannotRun(ValueError):
    """A network that a backend cannot run, or runs as something else: an outcome of that architecture, not a mistake of the user.

    operator: which one is at fault, where: the module it stands in; '' where the backend does not say."""

    def __init__(self, backend: str, why: str, *, operator: str = "", where: str = ""):
        self.backend, self.operator, self.where = backend, operator, where
        place = f" in {where}" if where else ""
        super().__init__(f"{backend} cannot run {operator or 'it'}{place}: {why}")


def figure_name(backend: str, key: str) -> str:
    """What a measurement is called that was taken on a further backend: latency_torch_ms, baseline_torch_spread."""
    first = "latency" if "latency" in key else "baseline"
    return key.replace(first, f"{first}_{backend}", 1) if backend else key


def sized(input_size: Sequence[int]) -> str:
    """An input's size as records have it."""
    return "x".join(str(side) for side in input_size)


def stable(taken: Sequence[float]) -> bool:
    """Whether the last forwards took as long as those before them."""
    last, before = taken[-3:], taken[-6:-3]
    return len(before) == 3 and abs(median(last) / max(median(before), 1e-9) - 1) < STABLE


@dataclass(frozen=True)
class Ready:
    """A network as a backend runs it. prepare_s: seconds until it could be timed (export, compilation). output_error: how far its
    outputs are from the eager network's, as a share of the largest; None where it is the eager network."""

    forward: Forward
    prepare_s: float
    output_error: float | None = None

    def measurements(self) -> dict[str, float]:
        checked = {} if self.output_error is None else {"latency_output_error": self.output_error}
        return {"latency_prepare_s": self.prepare_s, **checked}


def interval(readings: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Low and high end of the interval of the median from order statistics, and its true level.

    Free of any assumption about the distribution. Fewer than six readings cannot reach 95 %: lowest and highest are given then,
    with the level that they do have (three readings: 75 %).
    """
    ordered, n = sorted(readings), len(readings)
    rank = max(1, int(binom.ppf((1 - level) / 2, n, 0.5)))  # the rank-th smallest and the rank-th largest
    return ordered[rank - 1], ordered[n - rank], float(1 - 2 * binom.cdf(rank - 1, n, 0.5))


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Readings in seconds per forward; the k-th of each side were taken one after the other."""

    candidate: tuple[float, ...]
    baseline: tuple[float, ...]

    @property
    def ratios(self) -> list[float]:
        return [c / b for c, b in zip(self.candidate, self.baseline, strict=True)]

    def width(self) -> float:
        """Full width of the ratio's interval, as a share of the ratio: what taking more pairs makes smaller."""
        low, high, _ = interval(self.ratios)
        return (high - low) / median(self.ratios)

    def spread(self) -> float:
        """Of the baseline's readings: (90th - 10th percentile) / median. One network, so this is the machine's doing."""
        tenths = quantiles(self.baseline, n=10, method="inclusive")
        return (tenths[-1] - tenths[0]) / median(self.baseline)

    def measurements(self, disturbed: float) -> dict[str, float | int]:
        """disturbed: the baseline's spread from which on a measurement is marked."""
        low, high, level = interval(self.candidate)
        ratio_low, ratio_high, _ = interval(self.ratios)
        return {
            "latency_ms": median(self.candidate) * 1e3,
            "latency_low_ms": low * 1e3,
            "latency_high_ms": high * 1e3,
            "latency_level": level,
            "latency_ratio": median(self.ratios),
            "latency_ratio_low": ratio_low,
            "latency_ratio_high": ratio_high,
            "baseline_latency_ms": median(self.baseline) * 1e3,
            "baseline_spread": self.spread(),
            "latency_disturbed": int(self.spread() > disturbed),
            "latency_pairs": len(self.candidate),
            "latency_width": self.width(),
        }


@dataclass(frozen=True, kw_only=True)
class Paired:
    """What is measured and for how long, the same for every backend.

    batch_size: images of a forward; latency is that of the whole batch. warmup, warmup_s: forwards and seconds (whichever is
    longer) that each network runs unrecorded, and up to three times the seconds until its time is stable. min_pairs, max_pairs:
    readings of each network. width: enough once the interval of the ratio is narrower than this share, end to end. max_s: seconds
    that a measurement may take, warm-up included; min_pairs are taken whatever it says. disturbed: where the baseline's own
    readings spread by more than this share something else was running: the measurement is repeated once, where half of max_s is
    left for it, and marked if that is no better. also: further backends to measure on, by the names that their figures bear.
    resource: the custom resource of the Ray nodes that measure, all backends there; empty: each trial measures where it trains.
    """

    figures: ClassVar[tuple[str, ...]] = ("latency_ms", "latency_low_ms", "latency_high_ms", "latency_ratio")
    """What may be a limit or an objective."""

    transforms: ClassVar[bool] = False
    """Whether the network is turned into another form, which is then compared with the eager network before it is timed."""

    keeps: ClassVar[bool] = False
    """Whether the baseline, once prepared, serves all measurements of a process. Otherwise it is prepared anew, and forgotten."""

    away: ClassVar[bool] = False
    """Whether the figures are another machine's: nothing is measured here, also not a second time."""

    batch_size: int = 1
    warmup: int = 1
    warmup_s: float = 0.5
    min_pairs: int = 3
    max_pairs: int = 100
    width: float = 0.01
    max_s: float = 20.0
    disturbed: float = 0.1
    also: dict[str, Any] = field(default_factory=dict)
    resource: str = ""

    def __post_init__(self) -> None:
        lowest = {"batch_size": 1, "warmup": 1, "warmup_s": 0, "min_pairs": 2, "max_pairs": self.min_pairs, "width": 0, "max_s": 0}
        for name, least in {**lowest, "disturbed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"latency.{name} is {getattr(self, name)}; it has to be {least} or more")
        for name, other in self.also.items():
            if isinstance(other, Paired) and other.resource not in ("", self.resource):
                raise ValueError(f"latency.also.{name}.resource: {other.resource} given; allowed: latency.resource, for all")
            if not isinstance(other, Paired) or other.also or not name.isidentifier():
                allowed = "a latency backend under a name of letters, digits and _, with no further ones in it"
                raise ValueError(f"latency.also.{name}: given {other}; allowed: {allowed}, as latency=[torch,{name}] makes it")

    @property
    def backends(self) -> dict[str, "Paired"]:
        """Every backend that is measured on, by the name its figures bear; '' is this one, whose figures bear none."""
        return {"": self, **self.also}

    @property
    def limitable(self) -> tuple[str, ...]:
        """The figures that may be objectives and limits, of every backend."""
        return tuple(figure_name(name, key) for name, backend in self.backends.items() for key in backend.figures)

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        """Make a copy of `module` ready to run as deployed, on `self.image(input_size)`. CannotRun where that is not possible."""
        raise NotImplementedError

    def facts(self) -> Measurements:
        """What else the figure depends on: device, precision, threads ... Stored with it."""
        raise NotImplementedError

    def key(self, input_size: Sequence[int]) -> Measurements:
        """Figures compare where all of this is equal."""
        return {"latency_batch_size": self.batch_size, "latency_input_size": sized(input_size), **self.facts()}

    def check_here(self) -> None:
        """ValueError where this machine lacks what the backend needs: packages, a device."""

    def check_for(self, baseline: Arch, input_size: Sequence[int], classes: int) -> None:
        """ValueError where the backend cannot serve these networks."""

    def foretold(self, arch: Arch) -> Measurements | None:
        """What is known of an arch without measuring it; None: it is measured."""
        return None

    def image(self, input_size: Sequence[int]) -> torch.Tensor:
        """The input, fp32 on the CPU."""
        return probe(input_size, self.batch_size)

    def clock(self) -> float:
        """Now, in seconds."""
        return timeit.default_timer()

    def stopwatch(self, forward: Forward) -> Stopwatch:
        """Seconds that so many forwards take, one after the other, the garbage collector off. A backend whose forwards return
        before they are done waits for each."""
        return timeit.Timer(forward, timer=self.clock).timeit

    def conditions(self) -> AbstractContextManager[object]:
        """Held while forwards run: threads, inference mode."""
        return nullcontext()

    def ready(self, module: nn.Module, input_size: Sequence[int]) -> Ready:
        """Prepare a network and, where it has another form now, compare what that computes with what the network does."""
        if not self.transforms:
            start = timeit.default_timer()
            return Ready(self.prepare(module, input_size), timeit.default_timer() - start)
        image = self.image(input_size)
        network = settled(module, image)
        expected = eager(network, image)
        start = timeit.default_timer()
        forward = self.prepare(network, input_size)
        found, took = arrays(forward()), timeit.default_timer() - start
        try:
            return Ready(forward, took, agreed(expected, found, getattr(self, "precision", "fp32")))
        except Disagrees as error:
            raise CannotRun(getattr(self, "backend", type(self).__name__), str(error)) from error

    def measure(
        self, candidate: nn.Module, baseline: nn.Module | Ready, input_size: Sequence[int], turns: DeviceTurns | None = None
    ) -> dict[str, float | int | str | None]:
        """Time both in turns. With `turns`, both are made ready as a trainer's step and timed with the device to themselves."""
        preparing, timing = (turns.training_step, turns.measuring) if turns else (nullcontext, nullcontext)
        with self.conditions():
            with preparing():
                ready = self.ready(candidate, input_size)
                other = baseline if isinstance(baseline, Ready) else self.ready(baseline, input_size)
            with timing(), kept_memory():
                pairs, repeats = self.undisturbed(ready.forward, other.forward)
                state = clock_state(getattr(self, "resolved_device", ""))
            told = {**pairs.measurements(self.disturbed), "latency_repeats": repeats, **ready.measurements()}
            return {**told, **state, **self.key(input_size)}

    def undisturbed(self, candidate: Forward, baseline: Forward) -> tuple[Pairs, int]:
        """Readings, and how often they were repeated: once where the baseline's own were unsteady, the steadier ones then count.
        Not where half of `max_s` or more is gone: training stands still meanwhile."""
        start = timeit.default_timer()
        pairs = self.readings(candidate, baseline, self.max_s)
        left = self.max_s - (timeit.default_timer() - start)
        if pairs.spread() <= self.disturbed or left < self.max_s / 2:
            return pairs, 0
        return min(pairs, self.readings(candidate, baseline, left), key=Pairs.spread), 1

    def readings(self, candidate: Forward, baseline: Forward, max_s: float) -> Pairs:
        """Warm both up, then read them in turns until the interval is narrow enough, or time or pairs run out."""
        start = self.clock()
        watches = self.stopwatch(candidate), self.stopwatch(baseline)
        numbers = [self._warm_up(watch) for watch in watches]
        taken: tuple[list[float], list[float]] = ([], [])
        while not self._enough(taken, self.clock() - start, max_s):
            for side in (0, 1) if len(taken[0]) % 2 == 0 else (1, 0):
                taken[side].append(watches[side](numbers[side]) / numbers[side])
        return Pairs(candidate=tuple(taken[0]), baseline=tuple(taken[1]))

    def _warm_up(self, watch: Stopwatch) -> int:
        """Run unrecorded; returns how many forwards a reading has to hold to last BLOCK_S."""
        taken: list[float] = []
        while len(taken) < self.warmup or sum(taken) < (1 if stable(taken) else 3) * self.warmup_s:
            taken.append(watch(1))
        return max(1, round(BLOCK_S / max(taken[-1], 1e-9)))

    def _enough(self, taken: tuple[list[float], list[float]], elapsed: float, max_s: float) -> bool:
        done = len(taken[1])
        if done < self.min_pairs:
            return False
        narrow = done >= 6 and Pairs(candidate=tuple(taken[0]), baseline=tuple(taken[1])).width() < self.width
        return narrow or done >= self.max_pairs or elapsed * (done + 1) / done > max_s
