"""How much a member would add to the front, if its accuracy came out so or so: the gain in hypervolume.

Of a member's objectives all but one are known before it trains. So the front is a staircase over the known ones: at each place the
best accuracy that is had for so little. A member adds, wherever it costs no more, what its accuracy is above that. With one known
objective the places are the stretches between the front's members, and the gain is exact; with more they are sampled.
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import qmc

PLACES = 9  # 2 to the power of it places are sampled


@dataclass(frozen=True, eq=False)
class Staircase:
    """`costs` (p, k) of the places, their volumes `sizes` (p,), and `levels` (p,): the accuracy that a place has now. All are to be
    minimised, accuracy too; `reference` (k,) bounds the known objectives. `exact`: a place reaches from its costs to the next."""

    costs: np.ndarray
    sizes: np.ndarray
    levels: np.ndarray
    reference: np.ndarray
    exact: bool

    @classmethod
    def of(cls, accuracy: np.ndarray, known: np.ndarray, reference: np.ndarray, least: np.ndarray) -> "Staircase":
        """From the accuracies (f,) and known objectives (f, k) of trained members. `reference` (1 + k,): accuracy first; what is
        worse adds nothing. `least` (k,): what nothing is below, only for sampling."""
        worst, bound = reference[0], reference[1:]
        dimensions = len(bound)
        if dimensions == 0:
            return cls(np.zeros((1, 0)), np.ones(1), np.minimum.reduce(accuracy, keepdims=True, initial=worst), bound, False)
        if dimensions == 1:
            order = np.lexsort((accuracy, known[:, 0]))
            order = order[known[order, 0] < bound[0]]
            best = np.minimum.accumulate(np.concatenate([[worst], accuracy[order]]))
            better = best[1:] < best[:-1]  # the others are no corner of the front
            costs, levels = np.concatenate([[-np.inf], known[order[better], 0]]), np.concatenate([[worst], best[1:][better]])
            return cls(costs[:, None], np.diff(costs, append=bound[0]), levels, bound, True)
        span = np.maximum(bound - least, 0)
        places = least + span * qmc.Sobol(dimensions, scramble=False).random_base2(PLACES)
        had = (known[None, :, :] <= places[:, None, :]).all(-1)
        levels = np.where(had, accuracy[None, :], worst).min(1, initial=worst)
        return cls(places, np.full(len(places), span.prod() / len(places)), levels, bound, False)

    def volume(self, worst: float) -> float:
        """What the trained members dominate."""
        had = self.levels < worst
        return float((worst - self.levels[had]) @ self.sizes[had])

    def gain(self, accuracy: np.ndarray, known: np.ndarray) -> np.ndarray:
        """(n, q) for accuracies (n, q) that n members with `known` (n, k) might come out with."""
        if not self.exact:
            reached = (known[:, None, :] <= self.costs[None]).all(-1) * self.sizes
        else:
            ends = np.append(self.costs[1:, 0], self.reference[0])
            reached = np.clip(ends - np.maximum(self.costs[:, 0], known), 0, None)
        order = np.argsort(-self.levels)  # from the worst place on: those above an accuracy are the first few
        levels, reached = self.levels[order], reached[:, order]
        sizes, volumes = (np.pad(np.cumsum(part, 1), ((0, 0), (1, 0))) for part in (reached, reached * levels))
        above = np.searchsorted(-levels, -accuracy)
        had = np.take_along_axis(sizes, above, 1) * np.where(above > 0, accuracy, 0.0)
        return np.take_along_axis(volumes, above, 1) - had
