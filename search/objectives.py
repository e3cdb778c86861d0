"""What a search optimises: named measurements with a direction, and limits on those that cost no training."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from evaluators.api import Measurements
from registry import nearest

DIRECTIONS = ("min", "max")
ACCURACY = "accuracy"
"""The objective that stands for a task's first metric, in that metric's own direction."""

S = TypeVar("S")


@dataclass(frozen=True)
class Objective:
    """A measurement to be made small ("min") or large ("max")."""

    name: str
    direction: str

    def __post_init__(self) -> None:
        if self.direction not in DIRECTIONS:
            where = f"search.objectives.{self.name}"
            raise ValueError(f"{where}: unknown direction '{self.direction}'; {nearest(str(self.direction), list(DIRECTIONS))}")

    @property
    def sign(self) -> int:
        """Factor that turns the value into one to minimise."""
        return 1 if self.direction == "min" else -1

    def value(self, measurements: Measurements) -> float | None:
        """Its reading as a number; None where it is absent."""
        reading: Any = measurements.get(self.name)
        return float(reading) if isinstance(reading, int | float) else None


def objectives(conf: Mapping[str, str]) -> tuple[Objective, ...]:
    """The objectives of `search.objectives`, in its order."""
    if not conf:
        raise ValueError("search.objectives: none given; allowed: one or more of measurement: min or max, e.g. {latency_ms: min}")
    return tuple(Objective(name, direction) for name, direction in conf.items())


def with_metric(strategy: S, metrics: Mapping[str, str]) -> S:
    """The strategy with the objective `accuracy` replaced by the task's first metric: mIoU for segmentation, top-1 for
    classification. A task that measures an `accuracy` of its own means that one."""
    changes = {"objectives": resolved(strategy.objectives, metrics)}
    if ACCURACY not in metrics and ACCURACY in worst_values(strategy):
        first = next(iter(metrics))
        changes["reference"] = {first if name == ACCURACY else name: worst for name, worst in strategy.reference.items()}
    return replace(strategy, **changes)


def worst_values(strategy: object) -> Mapping[str, float]:
    """Those that count, by objective, where a strategy has them (an ablation's `reference` is an architecture)."""
    reference = getattr(strategy, "reference", None)
    return reference if isinstance(reference, Mapping) else {}


def resolved(conf: Mapping[str, str], metrics: Mapping[str, str]) -> dict[str, str]:
    """`search.objectives` in its order, by the names of the measurements."""
    if ACCURACY not in conf or ACCURACY in metrics:
        return dict(conf)
    name, direction = next(iter(metrics.items()))
    if conf[ACCURACY] != "max":
        given = f"search.objectives.{ACCURACY}: given {conf[ACCURACY]}; allowed: max, for better (here {name}, {direction})"
        raise ValueError(f"{given}. For another direction name the measurement: search.objectives.{name}=...")
    if conf.get(name, direction) != direction:
        both = f"search.objectives: {ACCURACY} is {name} ({direction}) here, beside {name}: {conf[name]}"
        raise ValueError(f"{both}; leave one of them out: ~search.objectives.{ACCURACY}")
    return {name if key == ACCURACY else key: direction if key == ACCURACY else way for key, way in conf.items()}


def check_names(conf: Mapping[str, str], limits: Mapping[str, float], *, free: Collection[str], trained: Collection[str]) -> None:
    """Refuse objectives nobody measures and limits that only training could tell.

    `free` are the measurements of rung 0 (cost, latency), `trained` those of the task.
    """
    known = sorted({*free, *trained})
    for where, names in (("search.objectives", conf), ("search.limits", limits)):
        for name in names:
            if name not in known:
                raise ValueError(f"{where}: unknown measurement '{name}'; {nearest(name, known)}")
    for name in limits:
        if name not in free:
            allowed = ", ".join(sorted(free))
            raise ValueError(f"search.limits.{name}: known only after training, so it cannot be a limit; allowed: {allowed}")


def point(measurements: Measurements, goals: tuple[Objective, ...]) -> tuple[float, ...] | None:
    """The objectives' values, each to be minimised; None where one is absent."""
    values = [goal.value(measurements) for goal in goals]
    return None if None in values else tuple(goal.sign * value for goal, value in zip(goals, values, strict=True))
