"""Upper bounds on what is measured before training."""

from collections.abc import Mapping

from evaluators.api import Measurements


def excess(measurements: Measurements, limits: Mapping[str, float]) -> str:
    """The first limit that is exceeded, and by how much; '' where none is. A reading that is absent exceeds nothing."""
    for name, limit in limits.items():
        value = measurements.get(name)
        if isinstance(value, int | float) and value > limit:
            return f"{name} {value:.4g} is over its limit {limit:g} by {value - limit:.4g} ({(value / limit - 1) * 100:.1f} %)"
    return ""
