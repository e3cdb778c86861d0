"""Milliseconds that compare over a run. A latency is read in turns with the baseline, and what the machine does at that moment is
in both: their ratio is steady where the milliseconds of different moments are not. So every latency of a run counts as its ratio
times what the baseline took when the run first read it.
"""

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from evaluators.api import Measurements

BASELINE = "baseline_"
MS, RATIO = "_ms", "_ratio"


class Steady:
    """Follows a log. The log itself keeps what was read."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}  # the baseline's first reading, by measurement

    def __call__(self, measurements: Measurements) -> Measurements:
        for name in paired(measurements):
            self._first.setdefault(name, float(measurements[BASELINE + name]))
        return beside(measurements, self._first)


def beside(measurements: Measurements, baseline: Mapping[str, float]) -> Measurements:
    """The same measurements, times and their intervals as the ratio has them beside a baseline that takes so long."""
    found = dict(measurements)
    for name in paired(measurements):
        stem = name.removesuffix(MS)
        for end in ("", "_low", "_high"):
            ratio = measurements.get(f"{stem}{RATIO}{end}")
            if _number(ratio):
                found[f"{stem}{end}{MS}"] = float(ratio) * baseline[name]
    return found


def usual(readings: Iterable[Measurements]) -> dict[str, float]:
    """What the baseline takes as a rule: the median of all readings beside it, by measurement."""
    taken: dict[str, list[float]] = {}
    for measurements in readings:
        for name in paired(measurements):
            taken.setdefault(name, []).append(float(measurements[BASELINE + name]))
    return {name: median(times) for name, times in taken.items()}


def paired(measurements: Measurements) -> list[str]:
    """The times that were read in turns with the baseline's: `latency_ms` beside `baseline_latency_ms` and `latency_ratio`."""
    names = [key.removeprefix(BASELINE) for key in measurements if key.startswith(BASELINE) and key.endswith(MS)]
    return [n for n in names if _number(measurements[BASELINE + n]) and _number(measurements.get(n.removesuffix(MS) + RATIO))]


def ratio_of(name: str) -> str:
    """The ratio that stands beside a latency, of whatever backend; '' of what is none."""
    return name.removesuffix(MS).removesuffix(RATIO) + RATIO if name.startswith("latency") else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float)
