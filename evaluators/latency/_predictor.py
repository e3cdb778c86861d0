"""From a latency table to the latency of members that were not measured.

Several models are tried: sums over places and over the work of operators, as a network's parts run one after the other, and two
that need not be sums. The one whose error on members left out is the smallest is taken. Its interval is CV+ (Barber et al. 2021):
every fitted member's error under a model that did not know it, set off from what that model says of the new one; so it is wider
where the models disagree. What is stated of the error is nested: the members that it is stated of took no part in the choice.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.stats import kendalltau, spearmanr

from evaluators.api import Measurements
from evaluators.latency._features import Features
from evaluators.latency._table import LatencyTable, Row, arch_of
from registry import Registry
from space import Arch

LEVEL = 0.9
"""Of the intervals, and of the larger error that is stated."""

UNSURE = 0.25
"""Wider intervals than this share of the latency, end to end, are not relied on, unless latency.unsure says otherwise."""

LEAST = 12
"""Members that a predictor needs."""

FOLDS = 10
OUTER = 5

MODELS: Registry[Callable[[], Any]] = Registry("latency model")
"""Name -> a maker of models: `fit(chosen, counted, ratios)`, `predict(chosen, counted)`, in ratios to the baseline."""


class Sum:
    """Linear regression on the ratio itself, its errors counted as shares. `parts`: which features, of `chosen` and `counted`.
    `positive`: no part takes time off; else a ridge whose strength is found by leaving one out."""

    def __init__(self, *parts: int, positive: bool = False):
        self.parts, self.positive = parts, positive

    def fit(self, *given: np.ndarray) -> "Sum":
        from sklearn.linear_model import LinearRegression, RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._least = given[-1].min() / 2
        model = LinearRegression(positive=True) if self.positive else RidgeCV(np.logspace(-3, 3, 13))
        self._model = make_pipeline(StandardScaler(), model)
        self._model.fit(self._of(given), given[-1], **{f"{self._model.steps[-1][0]}__sample_weight": given[-1] ** -2.0})
        return self

    def predict(self, *given: np.ndarray) -> np.ndarray:
        return np.maximum(self._model.predict(self._of(given)), self._least)

    def _of(self, given: Sequence[np.ndarray]) -> np.ndarray:
        return np.concatenate([given[part] for part in self.parts], 1)


class Corrected:
    """The sum over work, times what each option makes more or less of it; most of what options do is in the work already."""

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Corrected":
        from sklearn.linear_model import RidgeCV

        self._sum = Sum(1).fit(chosen, counted, ratios)
        self._factor = RidgeCV(np.logspace(0, 5, 11)).fit(chosen, np.log(ratios / self._sum.predict(chosen, counted)))
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return self._sum.predict(chosen, counted) * np.exp(self._factor.predict(chosen))


class Relative:
    """A regressor of scikit-learn on the logarithms of ratios and work."""

    def __init__(self, make: Callable[[int], Any]):
        self._make = make

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Relative":
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        features = self._of(chosen, counted)
        self._model = make_pipeline(StandardScaler(), self._make(features.shape[1]))
        self._model.fit(features, np.log(ratios))
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.exp(self._model.predict(self._of(chosen, counted)))

    def _of(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.concatenate([chosen, np.log1p(np.maximum(counted, 0))], 1)


def _process(features: int) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct, WhiteKernel

    wide = features**0.5  # standardised features: two members are about so far apart
    smooth = ConstantKernel(0.1, (1e-4, 10)) * RBF(wide, (wide / 10, wide * 100))
    linear = ConstantKernel(0.1 / features, (1e-7, 10)) * DotProduct(1.0, "fixed")
    return GaussianProcessRegressor(smooth + linear + WhiteKernel(1e-3, (1e-6, 0.1)), normalize_y=True)


def _trees(features: int) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(100, random_state=0, min_samples_leaf=2, max_features=0.5)


MODELS.register("work")(lambda: Sum(1))
MODELS.register("positive_work")(lambda: Sum(1, positive=True))
MODELS.register("places")(lambda: Sum(0))
MODELS.register("places_and_work")(lambda: Sum(0, 1))
MODELS.register("corrected_work")(Corrected)
MODELS.register("gaussian_process")(lambda: Relative(_process))
MODELS.register("trees")(lambda: Relative(_trees))


@dataclass(frozen=True)
class Foretold:
    """A ratio to the baseline and its interval at LEVEL."""

    ratio: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of the interval, end to end, as a share of the ratio."""
        return (self.high - self.low) / self.ratio


@dataclass(frozen=True, eq=False)
class Fitted:
    """Members with what is known of them, as arrays; rows are members."""

    chosen: np.ndarray
    counted: np.ndarray
    ratios: np.ndarray

    def __len__(self) -> int:
        return len(self.ratios)

    def take(self, rows: np.ndarray) -> "Fitted":
        return Fitted(self.chosen[rows], self.counted[rows], self.ratios[rows])

    def model(self, name: str) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a kernel's parameter at its bound: what counts is the error on members left out
            return MODELS[name]().fit(self.chosen, self.counted, self.ratios)

    def folds(self, count: int) -> list[np.ndarray]:
        """Rows to leave out, each once; the same in every process."""
        return np.array_split(np.random.default_rng(0).permutation(len(self)), min(count, len(self)))

    def others(self, rows: np.ndarray) -> "Fitted":
        return self.take(np.setdiff1d(np.arange(len(self)), rows))


class CrossValidated:
    """One model fitted to all members, and to all but each fold of them."""

    def __init__(self, data: Fitted, name: str, folds: int = FOLDS):
        self.name, self.whole = name, data.model(name)
        self.parts, self.part_of, self.residuals = [], np.empty(len(data), int), np.empty(len(data))
        for number, rows in enumerate(data.folds(folds)):
            part = data.others(rows).model(name)
            left_out = data.take(rows)
            self.parts.append(part)
            self.part_of[rows] = number
            self.residuals[rows] = np.abs(np.log(part.predict(left_out.chosen, left_out.counted) / left_out.ratios))

    @property
    def error(self) -> float:
        """Mean over members left out, as a share."""
        return float(np.mean(self.residuals))

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> list[Foretold]:
        """CV+: the LEVEL quantiles of what each left-out member's model says, plus and minus that member's error."""
        said = np.log([part.predict(chosen, counted) for part in self.parts])[self.part_of]  # (members, n)
        spare = self.residuals[:, None]
        rank = min(1.0, LEVEL * (1 + 1 / len(spare)))
        low = np.quantile(said - spare, 1 - rank, axis=0, method="lower")
        high = np.quantile(said + spare, rank, axis=0, method="higher")
        middle = np.log(self.whole.predict(chosen, counted))
        ends = zip(np.exp(middle), np.exp(np.minimum(low, middle)), np.exp(np.maximum(high, middle)), strict=True)
        return [Foretold(float(ratio), float(a), float(b)) for ratio, a, b in ends]


def chosen_model(data: Fitted, folds: int = FOLDS) -> CrossValidated:
    """The model that errs least on members left out."""
    return min((CrossValidated(data, name, folds) for name in MODELS), key=lambda tried: tried.error)


class Predictor:
    """Fitted to a table. `model`: which one, where that is known already; else it is chosen here."""

    def __init__(self, table: LatencyTable, model: str = ""):
        self.rows: list[Row] = list(table.members.values())
        if len(self.rows) < LEAST:
            raise ValueError(f"{table.path}: {len(self.rows)} members were measured; a predictor needs {LEAST} or more (--members)")
        arches = [arch_of(row) for row in self.rows]
        self.features = Features.of(arches)
        ratios = np.array([float(row["latency_ratio"]) for row in self.rows])
        counted = self.features.counted([table.work(row) for row in self.rows])
        self.data = Fitted(self.features.chosen(arches), counted, ratios)
        self._model = model

    @cached_property
    def tried(self) -> CrossValidated:
        return CrossValidated(self.data, self._model) if self._model else chosen_model(self.data)

    def __call__(self, arch: Arch, work: Measurements) -> Foretold:
        return self.tried.predict(self.features.chosen([arch]), self.features.counted([work]))[0]

    def error(self) -> dict[str, float | int | str]:
        """What members left out of fit and choice say: the random ones, as those are what a search asks for; all where these are
        fewer than LEAST."""
        said: list[Foretold] = [Foretold(1, 1, 1)] * len(self.data)
        for rows in self.data.folds(OUTER):
            found = chosen_model(self.data.others(rows), OUTER).predict(self.data.chosen[rows], self.data.counted[rows])
            for row, each in zip(rows, found, strict=True):
                said[row] = each
        random = [n for n, row in enumerate(self.rows) if row.get("member") == "random"]
        asked = random if len(random) >= LEAST else list(range(len(self.data)))
        return {"model": self.tried.name, "members": len(self.data), **stated([said[n] for n in asked], self.data.ratios[asked])}


def stated(said: Sequence[Foretold], measured: np.ndarray) -> Mapping[str, Any]:
    """How good predictions are, errors in percent of what was measured."""
    ratios = np.array([each.ratio for each in said])
    errors = np.abs(ratios / measured - 1) * 100
    inside = [each.low <= true <= each.high for each, true in zip(said, measured, strict=True)]
    return {
        "held_out": len(said),
        "median_error_percent": round(float(np.median(errors)), 2),
        "error_90_percent": round(float(np.quantile(errors, LEVEL)), 2),
        "spearman": round(float(spearmanr(ratios, measured).statistic), 3),
        "kendall": round(float(kendalltau(ratios, measured).statistic), 3),
        "median_width_percent": round(float(np.median([each.width for each in said])) * 100, 1),
        "sure_percent": round(100 * float(np.mean([each.width <= UNSURE for each in said])), 1),
        "inside_percent": round(100 * float(np.mean(inside)), 1),
    }
