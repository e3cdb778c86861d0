"""How sure the front is: for each of its members the probability that no other network dominates it, were all trained for ever.

Each network's true accuracy is drawn around the mean of its seeds, as far from it as the spread over seeds leaves open; its
latency, where it is an objective, within its interval. What is counted (parameters, MACs) is sure.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from search.confirm import ENOUGH
from search.objectives import Objective, point

if TYPE_CHECKING:
    from report.front import Network

DRAWS = 4000
OWN = 5
"""Seeds from which a network's own spread is taken; with fewer, the one pooled over all networks."""
FAR = 6.0
"""Standard errors beyond which an order is not in doubt."""


@dataclass(frozen=True)
class Doubt:
    """The networks as points, each to be minimised, with a standard error for every objective."""

    at: np.ndarray
    error: np.ndarray

    def undominated(self, member: int, rng: np.random.Generator) -> float:
        """The share of draws in which no other point dominates this one."""
        reach = FAR * np.hypot(self.error, self.error[member])
        rivals = np.flatnonzero((self.at <= self.at[member] + reach).all(axis=1))
        rivals = rivals[rivals != member]
        own = self.at[member] + rng.standard_normal((DRAWS, self.at.shape[1])) * self.error[member]
        beaten = np.zeros(DRAWS, dtype=bool)
        for rival in rivals:
            drawn = self.at[rival] + rng.standard_normal(own.shape) * self.error[rival]
            beaten |= (drawn <= own).all(axis=1) & (drawn < own).any(axis=1)
        return float(1 - beaten.mean())


def probabilities(networks: Sequence["Network"], goals: tuple[Objective, ...], free: Collection[str]) -> dict[str, float]:
    """By arch id, for the members of the front among `networks`, which are equally far trained; `free` are the measurements that
    need no training. Empty where too few seeds tell how far trainings of one network differ."""
    valued = [(network, at) for network in networks if (at := point(network.measurements, goals)) is not None]
    spread = {goal.name: pooled(networks, goal.name) for goal in goals if goal.name not in free}
    if not spread or None in spread.values() or not valued:
        return {}
    error = np.array([[standard_error(network, goal.name, spread) for goal in goals] for network, _ in valued])
    doubt = Doubt(np.array([at for _, at in valued]), error)
    rng = np.random.default_rng(0)  # a second writing of a report is the same
    return {network.arch.id: doubt.undominated(n, rng) for n, (network, _) in enumerate(valued) if network.rank is not None}


def pooled(networks: Sequence["Network"], name: str) -> float | None:
    """The standard deviation over seeds, from all networks that have several; None where these are too few."""
    several = [(len(n.trials) - 1, n.deviation[name]) for n in networks if len(n.trials) > 1 and name in n.deviation]
    freedom = sum(count for count, _ in several)
    return (sum(count * deviation**2 for count, deviation in several) / freedom) ** 0.5 if freedom >= ENOUGH else None


def standard_error(network: "Network", name: str, spread: Mapping[str, float | None]) -> float:
    """Of the network's figure: from seeds, or from latency's interval; 0 of what is counted."""
    if name in spread:
        seeds = len(network.trials)
        deviation = network.deviation.get(name) if seeds >= OWN else None
        return float(spread[name] if deviation is None else deviation) / seeds**0.5
    stem, _, unit = name.partition("_")
    ends = {"latency_ms": ("latency_low_ms", "latency_high_ms"), "latency_ratio": ("latency_ratio_low", "latency_ratio_high")}
    low, high = (network.measurements.get(key) for key in ends.get(name, (stem, unit)))
    level = network.measurements.get("latency_level")
    if name not in ends or not all(isinstance(value, int | float) for value in (low, high, level)) or not 0 < level < 1:
        return 0.0
    return (high - low) / 2 / NormalDist().inv_cdf((1 + level) / 2)
