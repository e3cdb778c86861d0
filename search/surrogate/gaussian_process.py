"""A Gaussian process over the members of a space and the rungs they are trained to.

What a rung reads is the reading of the rung below, scaled, and what the further training adds (the autoregressive model of Kennedy
and O'Hagan 2000): f_1 = g, f_r = rho f_(r-1) + d_r. So hundreds of short trainings say most of a long one, and a few long ones
say the rest. Both g and the d_r compare members in three ways: by the options of their holes, each hole with a weight of its own;
by how often each option is chosen; and by what is known before training (cost, latency), also along straight lines.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from scipy.linalg import cho_solve, cholesky, lapack, solve_triangular
from scipy.optimize import minimize

from search.surrogate.features import Encoding
from search.surrogate.likeness import PLANE, Likeness, Points

OFFSET = 0.5  # variance of what all members have in common
JITTER = 1e-6
ALIKE = 5.0  # holes that random members of a small space differ in, where each has its full weight,
COUNTED = 2.0  # and how far apart their counts lie there, squared
PARTS = ("holes", "near", "line", "count")  # the ways to compare, each with a variance


@dataclass(frozen=True, eq=False)
class Data:
    """Readings: `members` (n, holes) as `Encoding` makes them, `costs` (n, c) standardised, `rungs` (n,) from 1, and `values` (n,)
    warped."""

    members: np.ndarray
    costs: np.ndarray
    rungs: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Prior:
    """Where the search for the hyperparameters begins and what pulls them back: mean and deviation, of logarithms but for
    rho and the places of options."""

    names: tuple[str, ...]
    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, holes: int, costs: int, rungs: int, places: int, apart: tuple[float, float]) -> "Prior":
        """`apart`: see `Encoding.apart`. The more holes two random members differ in, the less each is taken to matter: else, where
        there are a hundred, no member would tell anything of another, and a change of one would be as good as a new network."""
        hole, spread = (0.3 * few / max(few, most) for few, most in zip((ALIKE, COUNTED), apart, strict=True))
        rows = [("hole", hole, 1.0)] * holes + [("cost", 0.5, 1.0)] * costs + [("spread", spread, 1.0)]
        rows += [("g holes", 1.0, 0.7), ("g near", 0.3, 1.0), ("g line", 0.1, 1.5), ("g count", 0.3, 1.0)]
        rows += [("d holes", 0.1, 1.0), ("d near", 0.1, 1.0), ("d line", 0.1, 1.5), ("d count", 0.02, 1.0)]
        rows += [("place", 1.0, 1.0)] * places  # itself: mean 0
        rows += [("noise", 0.03 if rung == 1 else 0.01, 1.0) for rung in range(1, rungs + 1)]
        names, means, deviations = zip(*rows, ("rho", np.e, 0.3), strict=True)  # rho itself: mean 1
        return cls(names, np.log(means), np.array(deviations))

    @property
    def start(self) -> np.ndarray:
        """Where the search begins: at the mean, places a little apart, as no slope leads away from where all are one."""
        apart = 0.1 * np.cos(1.0 + np.arange(self.names.count("place")) * 2.4)
        found = self.mean.copy()
        found[[name == "place" for name in self.names]] += apart
        return found


@dataclass(frozen=True, eq=False)
class GaussianProcess:
    """Fitted by `fitted`, conditioned on `data`; `theta` are the hyperparameters in the order of the prior's names."""

    encoding: Encoding
    data: Data
    rungs: int
    theta: np.ndarray | None = None
    prior: Prior = field(init=False)

    def __post_init__(self) -> None:
        holes, costs = self.data.members.shape[1], self.data.costs.shape[1]
        prior = Prior.of(holes, costs, self.rungs, self._placed * PLANE, self.encoding.apart)
        object.__setattr__(self, "prior", prior)
        if self.theta is None:
            object.__setattr__(self, "theta", prior.mean)

    def fitted(self, iterations: int = 100) -> "GaussianProcess":
        """With the hyperparameters that make the readings most probable under the prior."""
        found = minimize(self._loss, self.prior.start, jac=True, method="L-BFGS-B", options={"maxiter": iterations})
        return replace(self, theta=found.x)

    def predict(self, members: np.ndarray, costs: np.ndarray, rungs: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Mean (n, k) and covariance (n, k, k) of each member's readings at `rungs`, without noise."""
        likeness = Likeness(self._points_of(self.theta, members, costs), self._points)
        g, d = self._kernels(self.theta, likeness)
        mean, solved = [], []
        for rung in rungs:
            of_g, of_d = self._shares(np.full(1, rung), self.data.rungs, self.theta[-1])
            cross = g * of_g + d * of_d
            mean.append(cross @ self._weights)
            solved.append(solve_triangular(self._root, cross.T, lower=True))
        own_g, own_d = self._own(costs)
        of_g, of_d = self._shares(np.array(rungs), np.array(rungs), self.theta[-1])
        known = np.einsum("kmn,lmn->nkl", np.stack(solved), np.stack(solved))
        return np.stack(mean, 1), own_g[:, None, None] * of_g + own_d[:, None, None] * of_d - known

    def noise(self, rung: int) -> float:
        """Variance of a reading at `rung` over seeds."""
        return float(np.exp(self.theta[-1 - self.rungs + rung - 1]))

    @cached_property
    def _points(self) -> Points:
        return self._points_of(self.theta, self.data.members, self.data.costs)

    def _points_of(self, theta: np.ndarray, members: np.ndarray, costs: np.ndarray) -> Points:
        first = self._first + 2 * len(PARTS)
        places = theta[first : first + self._placed * PLANE].reshape(self._placed, PLANE)
        return Points.of(self.encoding, members, costs, places)

    @cached_property
    def _root(self) -> np.ndarray:
        return cholesky(self._covariance(), lower=True)

    @cached_property
    def _weights(self) -> np.ndarray:
        return cho_solve((self._root, True), self.data.values)

    def _pieces(self, theta: np.ndarray, likeness: Likeness) -> tuple[np.ndarray, ...]:
        """The four ways to compare, in the order of PARTS, before their variances."""
        costs = self.data.costs.shape[1]
        holes = self._first - 1 - costs
        weights = np.exp(theta[: holes + costs + 1])
        near = np.exp(-likeness.far(weights[holes:-1])) if costs else np.zeros(likeness.line.shape)
        return np.exp(-likeness.unlike(weights[:holes])), near, likeness.line, np.exp(-likeness.count * weights[-1])

    def _variances(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = np.exp(theta[self._first : self._first + 2 * len(PARTS)])
        return found[: len(PARTS)], found[len(PARTS) :]

    @property
    def _placed(self) -> int:
        """How many options have places; a closed hole has one too."""
        return sum(count + 1 for _, count in self.encoding.groups)

    @property
    def _first(self) -> int:
        """Where the variances begin among the hyperparameters."""
        return self.data.members.shape[1] + self.data.costs.shape[1] + 1

    def _kernels(self, theta: np.ndarray, likeness: Likeness) -> tuple[np.ndarray, np.ndarray]:
        return self._summed(theta, self._pieces(theta, likeness))

    def _summed(self, theta: np.ndarray, pieces: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        g, d = (sum(v * piece for v, piece in zip(variances, pieces, strict=True)) for variances in self._variances(theta))
        return g + OFFSET, d + OFFSET

    def _own(self, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The variances of g and d at members themselves."""
        line = (costs**2).sum(1)
        near = 1.0 if costs.shape[1] else 0.0
        return tuple(v[0] + near * v[1] + line * v[2] + v[3] + OFFSET for v in self._variances(self.theta))

    @staticmethod
    def _shares(left: np.ndarray, right: np.ndarray, rho: float) -> tuple[np.ndarray, np.ndarray]:
        """How much of g's and of d's covariance two rungs share: (n, m) each."""
        a, b = _rungs(left, right)
        of_d = sum(
            (rho ** np.clip(a + b - 2 * r, 0, None) * (r <= np.minimum(a, b)) for r in _added(a, b)), np.zeros((len(a), b.size))
        )
        return _each(rho ** (a + b - 2.0), left, right), _each(of_d, left, right)

    @staticmethod
    def _slopes(left: np.ndarray, right: np.ndarray, rho: float) -> tuple[np.ndarray, np.ndarray]:
        """Their derivatives by rho."""
        a, b = _rungs(left, right)
        of_d = sum(
            ((a + b - 2 * r) * rho ** np.clip(a + b - 2.0 * r - 1, 0, None) * (r <= np.minimum(a, b)) for r in _added(a, b)),
            np.zeros((len(a), b.size)),
        )
        power = a + b - 2.0
        return _each(power * rho ** np.clip(power - 1, 0, None), left, right), _each(of_d, left, right)

    def _noises(self, theta: np.ndarray) -> np.ndarray:
        return np.exp(theta[-1 - self.rungs : -1])[self.data.rungs - 1]

    def _covariance(self) -> np.ndarray:
        rungs, theta = self.data.rungs, self.theta
        likeness = Likeness(self._points, self._points)
        return self._joined(self._kernels(theta, likeness), self._shares(rungs, rungs, theta[-1]), theta)

    def _joined(self, kernels: tuple[np.ndarray, ...], shares: tuple[np.ndarray, ...], theta: np.ndarray) -> np.ndarray:
        found = kernels[0] * shares[0] + kernels[1] * shares[1]
        found[np.diag_indices_from(found)] += self._noises(theta) + JITTER
        return found

    def _loss(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """-log(probability of the readings x prior), and its gradient."""
        points, rungs, rho = self._points_of(theta, self.data.members, self.data.costs), self.data.rungs, theta[-1]
        likeness = Likeness(points, points)
        pieces, (of_g, of_d) = self._pieces(theta, likeness), self._shares(rungs, rungs, rho)
        g, d = self._summed(theta, pieces)
        off = (theta - self.prior.mean) / self.prior.deviation
        try:
            root = cholesky(self._joined((g, d), (of_g, of_d), theta), lower=True)
        except np.linalg.LinAlgError:
            return 1e10, np.zeros_like(theta)
        weights = cho_solve((root, True), self.data.values)
        loss = 0.5 * self.data.values @ weights + np.log(np.diag(root)).sum() + 0.5 * off @ off
        slope = 0.5 * (_inverse(root) - np.outer(weights, weights))  # by the covariance's entries
        by_g, by_d = slope * of_g, slope * of_d
        v_g, v_d = self._variances(theta)
        each = [by_g * a + by_d * b for a, b in zip(v_g, v_d, strict=True)]
        scales = np.exp(theta[: self._first])
        by_holes = -each[0] * pieces[0]
        holes = likeness.unlike_by_hole(by_holes)
        places = points.by_place(likeness.unlike_by_option(scales, by_holes), self._placed)
        costs = -likeness.far_by_cost(each[1] * pieces[1])
        count = -(each[3] * pieces[3] * likeness.count).sum()
        lengths = np.concatenate([holes, costs, [count]]) * scales
        amounts = [v * (by * piece).sum() for by, vs in ((by_g, v_g), (by_d, v_d)) for v, piece in zip(vs, pieces, strict=True)]
        diagonal = np.diag(slope) * self._noises(theta)
        noises = [diagonal[rungs == rung].sum() for rung in range(1, self.rungs + 1)]
        slope_g, slope_d = self._slopes(rungs, rungs, rho)
        by_rho = (slope * (g * slope_g + d * slope_d)).sum()
        gradient = np.concatenate([lengths, amounts, places.reshape(-1), noises, [by_rho]])
        return float(loss), gradient + off / self.prior.deviation


def _inverse(root: np.ndarray) -> np.ndarray:
    """Of the matrix whose lower Cholesky factor is `root`."""
    lower = np.tril(lapack.dpotri(root, lower=1)[0])
    return lower + np.tril(lower, -1).T


def _rungs(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rungs that there are, as a column and a row."""
    return np.arange(1.0, left.max(initial=1) + 1)[:, None], np.arange(1.0, right.max(initial=1) + 1)[None, :]


def _each(table: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The entry of each pair of rungs."""
    return table[left - 1][:, right - 1]


def _added(left: np.ndarray, right: np.ndarray) -> range:
    """The rungs that add something to both: from the second on."""
    return range(2, int(min(left.max(), right.max())) + 1)
