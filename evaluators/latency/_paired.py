"""Timing a candidate beside the baseline: readings taken in turns, and what they say.

A pair is one reading of each, in the order candidate-baseline, baseline-candidate, candidate-baseline ... (ABBA), so that a
machine that warms up or slows down steadily weighs on both alike.
"""

import timeit
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from statistics import median, quantiles
from typing import ClassVar

from scipy.stats import binom
from torch import nn

from evaluators.api import Measurements

Forward = Callable[[], object]
"""One forward pass of a prepared network on a fixed input of batch 1."""

BLOCK_S = 0.02
"""A reading lasts at least this long: the forward is repeated within it, until the clock and a synchronisation do not matter."""

DISTURBED = 0.1
"""Where the baseline's own readings spread by more than this share, the measurement is marked: something else was running."""


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

    def measurements(self) -> dict[str, float | int]:
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
            "latency_disturbed": int(self.spread() > DISTURBED),
            "latency_pairs": len(self.candidate),
        }


@dataclass(frozen=True, kw_only=True)
class Paired:
    """How long to measure, the same for every backend.

    warmup, warmup_s: forwards and seconds (whichever is longer) that each network runs unrecorded. min_pairs, max_pairs: readings
    of each network. width: enough once the interval of the ratio is narrower than this share. max_s: seconds that a measurement
    may take, warm-up included; min_pairs are taken whatever it says.
    """

    limitable: ClassVar[tuple[str, ...]] = ("latency_ms", "latency_low_ms", "latency_high_ms", "latency_ratio")

    warmup: int = 1
    warmup_s: float = 0.5
    min_pairs: int = 3
    max_pairs: int = 100
    width: float = 0.01
    max_s: float = 20.0

    def __post_init__(self) -> None:
        lowest = {"warmup": 1, "warmup_s": 0, "min_pairs": 2, "max_pairs": self.min_pairs, "width": 0, "max_s": 0}
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise ValueError(f"latency.{name} is {getattr(self, name)}; it has to be {least} or more")

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        """Make a copy of `module` ready to run as deployed, on one input of (1, 3, *input_size)."""
        raise NotImplementedError

    def facts(self) -> Measurements:
        """What else the figure depends on: device, precision, threads ... Stored with it."""
        raise NotImplementedError

    def clock(self) -> Callable[[], float]:
        """Seconds; a backend on an accelerator waits here until the device is idle."""
        return timeit.default_timer

    def conditions(self) -> AbstractContextManager[object]:
        """Held while forwards run: threads, inference mode."""
        return nullcontext()

    def measure(self, candidate: nn.Module, baseline: nn.Module, input_size: Sequence[int]) -> dict[str, float | int | str | None]:
        """Time both in turns. The caller sees to it that nothing else uses the device (`DeviceTurns.measuring`)."""
        with self.conditions():
            forwards = self.prepare(candidate, input_size), self.prepare(baseline, input_size)
            return {**self.readings(*forwards).measurements(), **self.facts()}

    def readings(self, candidate: Forward, baseline: Forward) -> Pairs:
        """Warm both up, then read them in turns until the interval is narrow enough, or time or pairs run out."""
        clock = self.clock()
        start = clock()
        forwards = candidate, baseline
        timers = [timeit.Timer(forward, timer=clock) for forward in forwards]  # switches the garbage collector off while it reads
        numbers = [self._warm_up(timer) for timer in timers]
        taken: tuple[list[float], list[float]] = ([], [])
        while not self._enough(taken, clock() - start):
            for side in (0, 1) if len(taken[0]) % 2 == 0 else (1, 0):
                taken[side].append(timers[side].timeit(numbers[side]) / numbers[side])
        return Pairs(candidate=tuple(taken[0]), baseline=tuple(taken[1]))

    def _warm_up(self, timer: timeit.Timer) -> int:
        """Run unrecorded; returns how many forwards a reading has to hold to last BLOCK_S."""
        runs, spent = 0, 0.0
        while runs < self.warmup or spent < self.warmup_s:
            last = timer.timeit(1)
            runs, spent = runs + 1, spent + last
        return max(1, round(BLOCK_S / max(last, 1e-9)))

    def _enough(self, taken: tuple[list[float], list[float]], elapsed: float) -> bool:
        done = len(taken[1])
        if done < self.min_pairs:
            return False
        narrow = done >= 6 and Pairs(candidate=tuple(taken[0]), baseline=tuple(taken[1])).width() < self.width
        return narrow or done >= self.max_pairs or elapsed * (done + 1) / done > self.max_s
