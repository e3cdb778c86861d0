"""How members compare: by the options of their holes, what they cost and how often each option is chosen; and the slopes of it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from search.surrogate.features import Encoding

PLANE = 2  # dimensions in which options have their places


@dataclass(frozen=True, eq=False)
class Points:
    """Members as points whose squared distances say how unlike they are: by options (n, f), costs (n, c) and counts (n, k).

    The first coordinates of `options` say which differ, the others lie where `places` (options of all groups, PLANE) has them.
    """

    options: np.ndarray
    costs: np.ndarray
    counts: np.ndarray
    hole_of: np.ndarray  # (f,): the hole of each coordinate of `options`
    placed: np.ndarray  # (n, holes of all groups): which of `places` each has

    @classmethod
    def of(cls, encoding: Encoding, members: np.ndarray, costs: np.ndarray, places: np.ndarray) -> "Points":
        options, hole_of = encoding.coordinates(members)
        first, placed, holes = 0, [np.zeros((len(members), 0), int)], []
        for answers, (group, count) in zip(encoding.answers(members), encoding.groups, strict=True):
            placed.append(first + answers)
            holes += [hole for hole in group for _ in range(PLANE)]
            first += count + 1
        at = np.concatenate(placed, 1)
        where = places[at].reshape(len(members), at.shape[1] * PLANE)
        hole_of = np.concatenate([hole_of, np.array(holes, int)])
        return cls(np.concatenate([options, where], 1), costs, encoding.counts(members), hole_of, at)

    def by_place(self, slope: np.ndarray, places: int) -> np.ndarray:
        """(places, PLANE): what slopes by the coordinates (n, f) are by the places."""
        mine = slope[:, slope.shape[1] - self.placed.shape[1] * PLANE :].reshape(-1, PLANE)
        flat = self.placed.reshape(-1)
        return np.stack([np.bincount(flat, mine[:, axis], minlength=places) for axis in range(PLANE)], 1)


@dataclass(frozen=True, eq=False)
class Likeness:
    """How members `left` compare with members `right`."""

    left: Points
    right: Points

    @cached_property
    def line(self) -> np.ndarray:
        return self.left.costs @ self.right.costs.T

    @cached_property
    def count(self) -> np.ndarray:
        return squared(self.left.counts, self.right.counts)

    def unlike(self, weights: np.ndarray) -> np.ndarray:
        """(n, m): how unlike members are in their options, each hole by its weight."""
        scale = np.sqrt(weights[self.left.hole_of])
        return squared(self.left.options * scale, self.right.options * scale)

    def far(self, weights: np.ndarray) -> np.ndarray:
        """(n, m): how far apart their costs are, each by its weight."""
        scale = np.sqrt(weights)
        return squared(self.left.costs * scale, self.right.costs * scale)

    def unlike_by_hole(self, slope: np.ndarray) -> np.ndarray:
        """(holes,): the sum over all pairs of how unlike they are in each hole, times `slope` (n, m)."""
        each = _sums(self.left.options, self.right.options, slope)
        return np.bincount(self.left.hole_of, each, minlength=int(self.left.hole_of.max(initial=-1)) + 1)

    def unlike_by_option(self, weights: np.ndarray, slope: np.ndarray) -> np.ndarray:
        """(n, f): the sum over all pairs of how unlike they are times `slope` (n, n, symmetric), by the coordinates of `left`,
        where both sides are the same members."""
        points = self.left.options
        return 4 * (slope.sum(1)[:, None] * points - slope @ points) * weights[self.left.hole_of]

    def far_by_cost(self, slope: np.ndarray) -> np.ndarray:
        """(costs,): the same of the costs."""
        return _sums(self.left.costs, self.right.costs, slope)


def _sums(a: np.ndarray, b: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """For each coordinate, the squared differences of all pairs times `slope`, summed."""
    return slope.sum(1) @ a**2 + slope.sum(0) @ b**2 - 2 * (a * (slope @ b)).sum(0)


def squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(n, m): the squared distances of rows."""
    return np.maximum((left**2).sum(1)[:, None] + (right**2).sum(1)[None] - 2 * left @ right.T, 0)
