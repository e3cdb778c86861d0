"""Whether a figure of a network is better than the baseline's: what tables, cards and headlines claim."""

import math

from report.figures import figure
from report.front import Comparison, Network, points_gain
from search.objectives import Objective

WRITTEN = 0.05
"""A smaller change, in points or percent, is written as 0.0 and is no gain."""

TIMED = ("latency_ms", "latency_low_ms", "latency_high_ms", "latency_ratio")
"""What is as sure as the ratio that was read in turns with the baseline."""


def difference(name: str, network: Network, comparison: Comparison) -> float | None:
    """Change against the baseline as it is told: points for a share, else percent (without end from a baseline of 0).

    None where there is nothing to compare: the baseline itself, a figure that one of both lacks, one that is not compared.
    """
    baseline = comparison.baseline
    if baseline is None or network.arch.id == baseline.arch.id or not figure(name).compared:
        return None
    points, percent = points_gain(name, network, baseline), network.gains.get(name)
    if points is not None or percent is not None:
        return percent if points is None else points
    value, base = network.measurements.get(name), baseline.measurements.get(name)
    if not isinstance(value, int | float) or not isinstance(base, int | float):
        return None
    return math.copysign(math.inf, value) if value else 0.0  # a percentage is missing because the baseline has 0


def spans_one(network: Network) -> bool:
    """Whether the interval of its latency ratio holds 1: neither faster nor slower than the baseline is known then."""
    low, high = (network.measurements.get(name) for name in ("latency_ratio_low", "latency_ratio_high"))
    return isinstance(low, int | float) and isinstance(high, int | float) and low <= 1 <= high


def tone(name: str, network: Network, comparison: Comparison) -> str:
    """`good` or `bad` against the baseline; '' for no change, an uncertain one, or nothing to compare."""
    change = difference(name, network, comparison)
    if change is None or abs(change) < WRITTEN or (name in TIMED and spans_one(network)):
        return ""
    return "good" if (change < 0) == (comparison.better(name) == "min") else "bad"


def gained(network: Network, comparison: Comparison) -> tuple[Objective, ...]:
    """The objectives in which it is surely better than the baseline; none where it is worse, by however little, in another."""
    changes = [difference(goal.name, network, comparison) for goal in comparison.goals]
    if any(change is None or goal.sign * change > 0 for goal, change in zip(comparison.goals, changes, strict=True)):
        return ()
    return tuple(goal for goal in comparison.goals if tone(goal.name, network, comparison) == "good")


def unlearned(comparison: Comparison) -> tuple[str, ...]:
    """Objectives to be made large in which every network of the furthest rung has 0, as it is written."""
    shown = [network.measurements for network in comparison.networks if network.rung == comparison.rung]
    large = [goal for goal in comparison.goals if goal.direction == "max"]
    return tuple(
        goal.name
        for goal in large
        if (values := [value for found in shown if (value := goal.value(found)) is not None])
        and all(float(figure(goal.name).number(value)) == 0 for value in values)
    )


def unlearned_text(comparison: Comparison) -> str:
    """What a reader should know of `unlearned`; '' where there is none."""
    labels = " and ".join(figure(name).label for name in unlearned(comparison))
    longer = "Train longer: more epochs in schedule.rungs, or a longer schedule=..."
    return f"Nothing was learned yet: every network scores 0 in {labels}, which tells none apart. {longer}" if labels else ""
