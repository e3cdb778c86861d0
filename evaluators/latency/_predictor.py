"""From a latency table to the latency of members that were not measured.

A sum over the work of operators, as a network's parts run one after the other, or another model where that errs less on members
left out. The interval is CV+ (Barber et al. 2021): every fitted member's error under a model that did not know it, set off from
what that model says of the new one; so it is wider where the models disagree. What is stated of the error is nested: the members
that it is stated of took no part in the choice.
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

PULL = 0.03
"""To 0, on the part of the latency that an operator's work usually makes: so slight that data outweigh it."""

CLEARLY = 1.1
"""So many times as large the error of another model would be: what differs by less is chance, among members as few as these."""

FOLDS = 10
OUTER = 5

MODELS: Registry[Callable[[], Any]] = Registry("latency model")
"""Name -> a maker of models: `fit(chosen, counted, ratios)`, `predict(chosen, counted)`, in ratios to the baseline."""


class Operators:
    """The sum over the work of all operators, each at a pace of its own and none taking time off (non-negative least squares,
    errors counted as shares). There may be more operators than members: PULL settles those that the members do not tell apart."""

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Operators":
        from scipy.optimize import nnls

        scale = np.maximum(np.sqrt((counted**2).mean(0)), 1e-12)  # what all members have as much of counts too, as a constant
        pulled = np.vstack([counted / scale / ratios[:, None], PULL * np.eye(len(scale))])
        self._paces = nnls(pulled, np.concatenate([np.ones(len(ratios)), np.zeros(len(scale))]))[0] / scale
        self._least = ratios.min() / 2
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.maximum(counted @ self._paces, self._least)


class Places:
    """Ridge regression on the options of each place, errors counted as shares: where work tells little of the time."""

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Places":
        from sklearn.linear_model import RidgeCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._least = ratios.min() / 2
        self._model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13)))
        self._model.fit(chosen, ratios, ridgecv__sample_weight=ratios**-2.0)
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.maximum(self._model.predict(chosen), self._least)


class Corrected:
    """The sum over operators, times what each option makes more or less of it; most of what options do is in the work already."""

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Corrected":
        from sklearn.linear_model import RidgeCV

        self._sum = Operators().fit(chosen, counted, ratios)
        self._factor = RidgeCV(np.logspace(0, 5, 11)).fit(chosen, np.log(ratios / self._sum.predict(chosen, counted)))
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return self._sum.predict(chosen, counted) * np.exp(self._factor.predict(chosen))


class Trees:
    """A forest on the logarithms of ratios and work: need not be a sum."""

    def fit(self, chosen: np.ndarray, counted: np.ndarray, ratios: np.ndarray) -> "Trees":
        from sklearn.ensemble import ExtraTreesRegressor

        self._model = ExtraTreesRegressor(100, random_state=0, min_samples_leaf=2, max_features=0.5)
        self._model.fit(self._of(chosen, counted), np.log(ratios))
        return self

    def predict(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.exp(self._model.predict(self._of(chosen, counted)))

    def _of(self, chosen: np.ndarray, counted: np.ndarray) -> np.ndarray:
        return np.concatenate([chosen, np.log1p(counted)], 1)


for name, model in {"operators": Operators, "corrected_operators": Corrected, "places": Places, "trees": Trees}.items():
    MODELS.register(name)(model)


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
    """The sum over operators, unless another model errs clearly less on members left out."""
    tried = [CrossValidated(data, name, folds) for name in MODELS]
    return min(tried, key=lambda each: each.error * (1 if each.name == "operators" else CLEARLY))


class Predictor:
    """Fitted to a table. `model`: which one, where that is known already; else it is chosen here."""

    def __init__(self, table: LatencyTable, model: str = ""):
        self.rows: list[Row] = list(table.members.values())
        if len(self.rows) < LEAST:
            raise ValueError(f"{table.path}: {len(self.rows)} members were measured; a predictor needs {LEAST} or more (--members)")
        arches = [arch_of(row) for row in self.rows]
        work = [table.work(row) for row in self.rows]
        self.features = Features.of(arches, work)
        ratios = np.array([float(row["latency_ratio"]) for row in self.rows])
        self.data = Fitted(self.features.chosen(arches), self.features.counted(work), ratios)
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
