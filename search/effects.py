"""What an arm changes, and how sure that is: differences between trainings that share a seed.

Trainings under one seed see the same data in the same order, so a difference is taken within a seed. With a handful of seeds one
arm's own spread says little (three differences: a t of 4.3), while all arms of a sweep are trainings of one kind: their error
variance is pooled over the model `value ~ arm + seed`. An arm whose differences spread more than chance explains has no part in
that: its interval is its own.
"""

import gc
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist, fmean, variance

import numpy as np
from scipy.linalg import qr
from scipy.special import gammaln
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution
from scipy.stats import ttest_rel

Values = Mapping[str, Mapping[int, float]]
"""A measurement by arch id and seed."""
Pair = tuple[str, str]
"""An arm and what it is compared with, by arch id."""

UNEQUAL = 0.01
"""An arm whose spread is larger than the pool's with a p-value below this has an interval of its own."""
TELLING = 4
"""Degrees of freedom from which trainings that share nothing with a pair tell the family's spread."""
DUST = 1e-9
"""A spread smaller than this share of the values is the rounding of floating point: none."""


@dataclass(frozen=True)
class Effect:
    """The mean of an arm's value less that of what it is compared with, over the `n` seeds that both have.

    low, high: the interval; None where no seed was trained twice, or nothing tells the spread. p: two-sided; p_holm: by Holm's
    step-down correction over the family. size: Hedges' g, the mean over the standard deviation of a single training (`spread`)
    with his correction for few degrees of freedom (`freedom`). own_low, own_high: the paired t interval from this arm's seeds
    alone. pooled: whether the spread is the family's. alone: seeds that only one of the two has, which are left out.
    """

    n: int
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    size: float | None = None
    own_low: float | None = None
    own_high: float | None = None
    pooled: bool = False
    spread: float | None = None
    freedom: int = 0
    alone: tuple[int, ...] = ()

    @property
    def half_width(self) -> float | None:
        """Half of the interval's width; None where there is no interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True)
class Pool:
    """The variance of a single training, seeds and arms taken out, and its degrees of freedom."""

    variance: float
    freedom: int


def paired(values: Values, pairs: Sequence[Pair], level: float) -> Mapping[Pair, Effect]:
    """The effect of every pair at confidence `level`; the pairs are one family, all of `values` tell the common spread."""
    if not 0 < level < 1:
        raise ValueError(f"level: {level} given; allowed: between 0 and 1, as in 0.95")
    shared = {pair: _differences(values, pair) for pair in pairs}
    pool, unequal = _pooled(values, shared)
    found = {}
    for pair in pairs:
        own, alone = shared[pair], tuple(sorted(set(values.get(pair[0], {})) ^ set(values.get(pair[1], {}))))
        effect = _own(values, pair, sorted(own), level) if len(own) > 1 else Effect(len(own), fmean(own.values()) if own else None)
        if pair not in unequal and pool is not None and own:
            effect = _by_pool(effect, pool, level)
        found[pair] = replace(effect, alone=alone)
    return holm(found)


def holm(effects: Mapping[Pair, Effect]) -> dict[Pair, Effect]:
    """The same effects with Holm's correction over those that have a p-value."""
    corrected = holm_values({pair: effect.p for pair, effect in effects.items() if effect.p is not None})
    return {pair: replace(effect, p_holm=corrected.get(pair)) for pair, effect in effects.items()}


def holm_values(p_values: Mapping) -> dict:
    """Holm's corrected p-values under the same keys."""
    from statsmodels.stats.multitest import multipletests  # here: a search that compares nothing need not wait for statsmodels

    if not p_values:
        return {}
    gc.freeze()  # it collects garbage at every call, which takes longer than all the rest
    try:
        corrected = multipletests(list(p_values.values()), method="holm")[1]
    finally:
        gc.unfreeze()
    return {key: float(p) for key, p in zip(p_values, corrected, strict=True)}


def _differences(values: Values, pair: Pair) -> dict[int, float]:
    """Arm less compared by seed, of the seeds that both have."""
    arm, compared = (values.get(key, {}) for key in pair)
    return {seed: arm[seed] - compared[seed] for seed in sorted(set(arm) & set(compared))}


def _pooled(values: Values, shared: Mapping[Pair, Mapping[int, float]]) -> tuple[Pool | None, set[Pair]]:
    """The pool, and the pairs that are none of it. The most unequal one leaves first: while it is in, it hides the next."""
    unequal: set[Pair] = set()
    members = {key: values[key] for pair in shared for key in pair if key in values}
    pool = _pool(members)
    while pool is not None:
        several = [pair for pair, own in shared.items() if pair not in unequal and len(own) > 1]
        widest = min(several, key=lambda pair: _surprise(shared[pair], pool), default=None)
        if widest is None:
            break
        others = _pool({key: own for key, own in members.items() if key not in widest})
        if others is None or others.freedom < TELLING:  # what both are compared with is then needed to know the family
            others = _pool({key: own for key, own in members.items() if key != widest[0]})
        if others is None or _surprise(shared[widest], others) >= UNEQUAL:
            break
        unequal.add(widest)
        members.pop(widest[0], None)
        pool = _pool(members)
    return pool, unequal


def _surprise(differences: Mapping[int, float], pool: Pool) -> float:
    """The chance that differences of the pool's trainings spread as much as these (a difference has twice the variance)."""
    own = variance(differences.values()) / 2
    if _dust(own, differences.values()):
        return 1.0
    if pool.variance == 0:
        return 0.0
    return float(f_distribution.sf(own / pool.variance, len(differences) - 1, pool.freedom))


def _pool(values: Values) -> Pool | None:
    """Residual variance of `value ~ arm + seed`; None where no degree of freedom is left."""
    from statsmodels.regression.linear_model import OLS

    cells = [(arm, seed, value) for arm, own in values.items() for seed, value in own.items()]
    seeds = sorted({seed for _, seed, _ in cells})
    arms = {arm: n for n, arm in enumerate(values)}
    design = np.zeros((len(cells), len(arms) + len(seeds)))
    for row, (arm, seed, _) in enumerate(cells):
        design[row, [arms[arm], len(arms) + seeds.index(seed)]] = 1.0
    design = independent(design)
    if design.shape[1] >= len(cells):
        return None
    column = np.array([value for _, _, value in cells], dtype=float)
    fit = OLS(column, design).fit()
    return Pool(0.0 if _dust(fit.mse_resid, column) else float(fit.mse_resid), round(fit.df_resid))


def independent(design: np.ndarray) -> np.ndarray:
    """The columns of a design that are no combination of others, as many as it has rank: what they span is the same."""
    if not design.size:
        return design[:, :0]
    triangle, order = qr(design, mode="r", pivoting=True)
    size = np.abs(np.diag(triangle))
    return design[:, np.sort(order[: len(size)][size > DUST * size[0]])]


def _own(values: Values, pair: Pair, seeds: Sequence[int], level: float) -> Effect:
    """From the pair's own seeds alone: the paired t-test."""
    arm, compared = ([values[key][seed] for seed in seeds] for key in pair)
    differences = [a - b for a, b in zip(arm, compared, strict=True)]
    mean, own = fmean(differences), variance(differences)
    if _dust(own, [*arm, *compared]):
        low, high, p, spread = mean, mean, float(mean == 0), 0.0
    else:
        test = ttest_rel(arm, compared)
        (low, high), p, spread = test.confidence_interval(level), test.pvalue, math.sqrt(own / 2)
    size = _hedges(mean, spread, len(seeds) - 1)
    ends = (float(low), float(high))
    return Effect(len(seeds), mean, *ends, float(p), None, size, *ends, spread=spread, freedom=len(seeds) - 1)


def _by_pool(effect: Effect, pool: Pool, level: float) -> Effect:
    """The same effect with the family's spread: a mean of n differences has variance 2 s^2 / n."""
    assert effect.mean is not None
    error, spread = math.sqrt(2 * pool.variance / effect.n), math.sqrt(pool.variance)
    half = float(t_distribution.ppf((1 + level) / 2, pool.freedom)) * error
    p = 2 * float(t_distribution.sf(abs(effect.mean) / error, pool.freedom)) if error else float(effect.mean == 0)
    known = {"p": p, "size": _hedges(effect.mean, spread, pool.freedom), "spread": spread, "freedom": pool.freedom, "pooled": True}
    return replace(effect, low=effect.mean - half, high=effect.mean + half, **known)


def _hedges(mean: float, spread: float, freedom: int) -> float | None:
    """The mean over the spread, less what few degrees of freedom add to it on average."""
    if not spread or freedom < 2:
        return None
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float(mean / spread * correction)


def _dust(variance_: float, values: Iterable[float]) -> bool:
    return math.sqrt(max(variance_, 0.0)) <= DUST * max(map(abs, values))


@dataclass(frozen=True)
class Reading:
    """A ratio that was measured with an interval of the given level; without one where it was recorded so."""

    ratio: float
    low: float | None = None
    high: float | None = None
    level: float | None = None

    @property
    def error(self) -> float | None:
        """The standard error of the ratio's logarithm, as wide as the interval is; None without one."""
        if not self.low or not self.high or not self.level or not 0 < self.level < 1:
            return None
        return math.log(self.high / self.low) / 2 / NormalDist().inv_cdf((1 + self.level) / 2)


@dataclass(frozen=True)
class Ratio:
    """How many times as much; low and high None where the readings had no intervals."""

    ratio: float
    low: float | None = None
    high: float | None = None


def ratio_of(arm: Sequence[Reading], compared: Sequence[Reading], level: float) -> Ratio | None:
    """The arm's ratio over that of what it is compared with, each over its readings; `compared` empty is exactly 1 (the baseline
    itself, which every reading was taken beside). None without a reading of the arm."""
    if not arm:
        return None
    own, other = _combined(arm), _combined(compared) if compared else (0.0, 0.0)
    centre = own[0] - other[0]
    if own[1] is None or other[1] is None:
        return Ratio(math.exp(centre))
    half = NormalDist().inv_cdf((1 + level) / 2) * math.hypot(own[1], other[1])
    return Ratio(math.exp(centre), math.exp(centre - half), math.exp(centre + half))


def _combined(readings: Sequence[Reading]) -> tuple[float, float | None]:
    """Mean and standard error of the ratio's logarithm over the readings: a random-effects mean (DerSimonian and Laird), so that
    readings which differ by more than their intervals say make the result less sure. One reading, copied, counts once."""
    from statsmodels.stats.meta_analysis import combine_effects

    unlike = list(dict.fromkeys(readings))
    logs, errors = [math.log(reading.ratio) for reading in unlike], [reading.error for reading in unlike]
    if any(error is None for error in errors):
        return fmean(logs), None
    if len(logs) == 1 or not all(errors):
        return fmean(logs), math.hypot(*errors) / len(logs)
    with np.errstate(invalid="ignore"):  # of a negative tau2, which is not used
        found = combine_effects(np.array(logs), np.square(errors), method_re="dl")
        if found.tau2 <= 0:  # they differ by no more than their intervals say
            return float(found.mean_effect_fe), float(found.sd_eff_w_fe)
        return float(found.mean_effect_re), float(found.sd_eff_w_re)
