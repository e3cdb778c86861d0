"""One figure of a network as tables and cards show it: value, change against the baseline, and how sure it is."""

from report.figures import figure, percent, signed
from report.front import Comparison, Network, points_gain
from report.verdict import difference, spans_one, tone


def cell(name: str, network: Network, comparison: Comparison) -> dict[str, str]:
    """One figure of a network: the value, its change against the baseline, whether that is good, and how sure the value is."""
    return {
        "value": figure(name).text(network.measurements.get(name)),
        "change": change_text(name, network, comparison),
        "tone": tone(name, network, comparison),
        "sure": certainty(name, network),
    }


def change_text(name: str, network: Network, comparison: Comparison) -> str:
    """`-4.0 %`, of a share `+2.0 points (+6.7 %)`; '' where there is nothing to compare, or the baseline has 0."""
    if difference(name, network, comparison) is None:
        return ""
    points, change = points_gain(name, network, comparison.baseline), network.gains.get(name)
    relative = percent(change) if change is not None else ""
    return relative if points is None else f"{signed(points, 'points')} ({relative})" if relative else signed(points, "points")


def certainty(name: str, network: Network) -> str:
    """What is known of a figure's noise: the spread over seeds, or latency's interval."""
    if name in network.deviation and len(network.trials) > 1:
        return f"standard deviation over {len(network.trials)} seeds: {figure(name).text(network.deviation[name])}"
    low, high, level = (network.measurements.get(key) for key in ("latency_low_ms", "latency_high_ms", "latency_level"))
    if name != "latency_ms" or not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    sure = f"{level:.0%} interval" if isinstance(level, int | float) else "interval"
    span = f"{figure(name).number(low)} to {figure(name).text(high)}"
    return f"{sure}: {span}; the change is that of the ratio read in turns with the baseline{_ratio(network)}"


def _ratio(network: Network) -> str:
    low, high = (network.measurements.get(key) for key in ("latency_ratio_low", "latency_ratio_high"))
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    unsure = ", so neither faster nor slower is known" if spans_one(network) else ""
    return f", {percent((low - 1) * 100)} to {percent((high - 1) * 100)}{unsure}"
