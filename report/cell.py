"""One figure of a network as tables and cards show it: value, change against the baseline, and how sure it is."""

from report.figures import figure, percent, signed
from report.front import Comparison, Network, points_gain


def cell(name: str, network: Network, comparison: Comparison) -> dict[str, str]:
    """One figure of a network: the value, its change against the baseline, whether that is good, and how sure the value is."""
    known, change = figure(name), network.gains.get(name)
    points = points_gain(name, network, comparison.baseline)
    told = percent(change) if points is None else f"{signed(points, 'points')} ({percent(change)})"
    good = change is not None and (change < 0) == (known.better == "min")
    return {
        "value": known.text(network.measurements.get(name)),
        "change": told if change is not None else "",
        "tone": "" if change is None or abs(change) < 0.05 else "good" if good else "bad",
        "sure": certainty(name, network),
    }


def certainty(name: str, network: Network) -> str:
    """What is known of a figure's noise: the spread over seeds, or latency's interval."""
    if name in network.deviation and len(network.trials) > 1:
        return f"standard deviation over {len(network.trials)} seeds: {figure(name).text(network.deviation[name])}"
    low, high, level = (network.measurements.get(key) for key in ("latency_low_ms", "latency_high_ms", "latency_level"))
    if name != "latency_ms" or not isinstance(low, int | float) or not isinstance(high, int | float):
        return ""
    sure = f"{level:.0%} interval" if isinstance(level, int | float) else "interval"
    span = f"{figure(name).number(low)} to {figure(name).text(high)}"
    return f"{sure}: {span}; the change is that of the ratio read in turns with the baseline"
