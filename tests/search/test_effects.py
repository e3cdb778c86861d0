"""Paired differences against scipy's and statsmodels' own answers on small cases, and their rates by simulation. The bounds of the
simulations are those a correct rate leaves once in ten thousand times."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, ttest_rel
from statsmodels.formula.api import ols
from statsmodels.stats.multitest import multipletests

from search.effects import Reading, paired, ratio_of

DRAWS = 600


def table(rng, spreads, seeds):
    """A reference (r) and arms without any effect; each seed shifts all of them."""
    shift = rng.normal(0, 3, seeds)
    return {name: {s: shift[s] + rng.normal(0, spread) for s in range(seeds)} for name, spread in spreads.items()}


def arms(values):
    return [(name, "r") for name in values if name != "r"]


def at_least(rate, draws=DRAWS):
    return binom.ppf(1e-4, draws, rate)


def at_most(rate, draws=DRAWS):
    return binom.ppf(1 - 1e-4, draws, rate)


def test_pooled_effects_are_those_of_a_model_of_arms_and_seeds():
    values = table(np.random.default_rng(3), dict.fromkeys("rabc", 1.0), 4)
    found = paired(values, arms(values), 0.9)
    rows = [{"arm": arm, "seed": seed, "value": v} for arm, own in values.items() for seed, v in own.items()]
    fit = ols("value ~ C(arm, Treatment('r')) + C(seed)", pd.DataFrame(rows)).fit()
    for arm in "abc":
        effect, name = found[arm, "r"], f"C(arm, Treatment('r'))[T.{arm}]"
        assert effect.pooled
        assert effect.n == 4
        assert effect.freedom == fit.df_resid == 9
        assert effect.mean == pytest.approx(fit.params[name])
        assert (effect.low, effect.high) == pytest.approx(tuple(fit.conf_int(0.1).loc[name]))
        assert effect.p == pytest.approx(fit.pvalues[name])
        assert effect.half_width == pytest.approx((effect.high - effect.low) / 2)
        assert abs(effect.size) < abs(effect.mean / math.sqrt(fit.mse_resid))  # Hedges' correction makes it smaller
    corrected = multipletests([found[arm, "r"].p for arm in "abc"], method="holm")[1]
    assert [found[arm, "r"].p_holm for arm in "abc"] == pytest.approx(corrected)


def test_an_arm_alone_is_the_paired_t_test():
    values = {"r": {0: 1.0, 1: 2.0, 2: 4.0}, "a": {0: 2.0, 1: 2.5, 2: 5.5}}
    effect = paired(values, [("a", "r")], 0.95)["a", "r"]
    test = ttest_rel([2.0, 2.5, 5.5], [1.0, 2.0, 4.0])
    assert (effect.low, effect.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (effect.own_low, effect.own_high) == pytest.approx((effect.low, effect.high))
    assert effect.p == effect.p_holm == pytest.approx(test.pvalue)


def test_an_arm_whose_seeds_differ_much_more_keeps_its_own_interval():
    values = table(np.random.default_rng(0), dict.fromkeys("rabcdef", 1.0) | {"wild": 60.0}, 5)
    found = paired(values, arms(values), 0.95)
    assert not found["wild", "r"].pooled
    assert all(found[name, "r"].pooled for name in "abcdef")
    assert (found["wild", "r"].low, found["wild", "r"].high) == (found["wild", "r"].own_low, found["wild", "r"].own_high)
    without = paired({k: v for k, v in values.items() if k != "wild"}, [(name, "r") for name in "abcdef"], 0.95)
    assert found["a", "r"].low == pytest.approx(without["a", "r"].low)


def test_a_seed_that_only_one_of_both_has_is_left_out_and_told():
    values = {"r": {0: 1.0, 1: 2.0, 2: 3.0}, "a": {0: 1.5, 2: 3.7}, "b": {0: 1.1, 1: 2.0, 2: 3.2, 7: 9.0}}
    found = paired(values, arms(values), 0.95)
    assert (found["a", "r"].n, found["a", "r"].alone) == (2, (1,))
    assert found["a", "r"].mean == pytest.approx(0.6)
    assert (found["b", "r"].n, found["b", "r"].alone) == (3, (7,))


def test_one_seed_has_no_interval_and_one_among_many_has_the_familys():
    found = paired({"r": {0: 1.0}, "a": {0: 2.0}, "b": {0: 3.0}}, [("a", "r"), ("b", "r")], 0.95)
    assert found["a", "r"].mean == 1.0
    assert found["a", "r"].low is found["a", "r"].p is found["a", "r"].size is found["a", "r"].half_width is None
    values = {"r": {0: 1.0, 1: 2.0, 2: 3.5}, "a": {0: 2.0, 1: 2.8, 2: 4.4}, "b": {0: 3.0}}
    lone = paired(values, arms(values), 0.95)["b", "r"]
    assert lone.own_low is None
    assert lone.low < 2.0 < lone.high


@pytest.mark.parametrize("values", [{}, {"r": {0: 1.0}}, {"a": {0: 1.0}}, {"r": {0: 1.0}, "a": {1: 2.0}}])
def test_what_has_no_seed_in_common_is_no_effect(values):
    effect = paired(values, [("a", "r")], 0.95)["a", "r"]
    assert (effect.n, effect.mean, effect.low) == (0, None, None)


def test_trainings_without_any_chance_in_them():
    values = {"r": {0: 0.1, 1: 0.2, 2: 0.3}, "a": {0: 0.2, 1: 0.3, 2: 0.4}, "b": {0: 0.1, 1: 0.2, 2: 0.3}}
    found = paired(values, arms(values), 0.95)
    assert (found["a", "r"].low, found["a", "r"].high) == pytest.approx((0.1, 0.1))
    assert (found["a", "r"].p, found["b", "r"].p) == (0.0, 1.0)


def test_a_level_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"level: 95 given; allowed: between 0 and 1"):
        paired({}, [], 95)


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_cover_at_their_rate_and_holm_errs_at_its(seeds):
    rng, covered, wrong = np.random.default_rng(seeds), 0, 0
    for _ in range(DRAWS):
        found = paired(values := table(rng, dict.fromkeys("rabc", 1.0), seeds), arms(values), 0.95)
        covered += found["a", "r"].low <= 0 <= found["a", "r"].high
        wrong += min(effect.p_holm for effect in found.values()) < 0.05
    assert at_least(0.95) <= covered <= at_most(0.95)
    assert wrong <= at_most(0.05)


def test_intervals_cover_where_spreads_and_seeds_are_unequal():
    rng, covered = np.random.default_rng(1), dict.fromkeys("aw", 0)
    for _ in range(DRAWS):
        values = table(rng, {"r": 1.0, "a": 1.0, "b": 1.0, "c": 1.0, "w": 8.0}, 8)
        values["a"] = {seed: value for seed, value in values["a"].items() if seed < 5}
        found = paired(values, arms(values), 0.95)
        for name in covered:
            covered[name] += found[name, "r"].low <= 0 <= found[name, "r"].high
    assert min(covered.values()) >= at_least(0.95)


def test_a_ratio_of_ratios_combines_both_intervals_on_the_log_scale():
    arm, base = Reading(0.6, 0.57, 0.6 / 0.95, 0.95), Reading(0.8, 0.8 / 1.02, 0.8 * 1.02, 0.95)
    found = ratio_of([arm], [base], 0.95)
    assert found.ratio == pytest.approx(0.75)
    half = math.hypot(math.log(1 / 0.95), math.log(1.02))
    assert (found.low, found.high) == pytest.approx((0.75 * math.exp(-half), 0.75 * math.exp(half)))
    alone = ratio_of([arm], [], 0.95)
    assert (alone.low, alone.high) == pytest.approx((0.57, 0.6 / 0.95))
    assert ratio_of([Reading(0.6)], [base], 0.95).low is None
    assert ratio_of([], [base], 0.95) is None


def test_several_readings_are_surer_unless_they_disagree_and_a_copy_is_none():
    close = [Reading(0.60, 0.58, 0.62, 0.95), Reading(0.601, 0.581, 0.621, 0.95), Reading(0.599, 0.579, 0.619, 0.95)]
    apart = [Reading(0.55, 0.53, 0.57, 0.95), *close[1:], Reading(0.65, 0.63, 0.67, 0.95)]
    one, many, torn, copied = (ratio_of(own, [], 0.95) for own in (close[:1], close, apart, close[:1] * 3))
    assert many.high - many.low < one.high - one.low < torn.high - torn.low
    assert copied == one


@pytest.mark.parametrize("draws", [400])
def test_the_latency_intervals_cover(draws):
    rng, covered, z = np.random.default_rng(2), 0, 1.959964
    for _ in range(draws):
        logs = np.log(0.7) + rng.normal(0, 0.02, 3)
        found = ratio_of([Reading(math.exp(v), math.exp(v - z * 0.02), math.exp(v + z * 0.02), 0.95) for v in logs], [], 0.95)
        covered += found.low <= 0.7 <= found.high
    assert covered >= at_least(0.95, draws)
