"""A factorial's estimates against exact cell means, where cells are missing, and of a fraction."""

import itertools
from statistics import fmean

import numpy as np
import pytest
from scipy.stats import binom

from report.factorial import estimate

FACTORS = {"a": ("a1", "a2"), "b": ("b1", "b2", "b3"), "c": ("c1", "c2")}


def rows_of(factors, value, seeds=3, noise=1.0, rng=None):
    rng = rng or np.random.default_rng(0)
    shift = rng.normal(0, 5, seeds)
    cells = list(itertools.product(*factors.values()))
    return [(cell, s, value(cell) + shift[s] + rng.normal(0, noise)) for cell in cells for s in range(seeds)]


def test_a_whole_factorial_gives_the_exact_effects_of_its_cell_means():
    rows = rows_of(FACTORS, lambda cell: 2.0 * (cell[0] == "a2") + (cell[0] == "a2") * (cell[2] == "c2"))
    terms, freedom = estimate(rows, FACTORS, 0.95)
    found = {term.name: term for term in terms}

    def mean(**levels):
        places = {name: n for n, name in enumerate(FACTORS)}
        return fmean(v for cell, _, v in rows if all(cell[places[name]] == level for name, level in levels.items()))

    whole = fmean(value for _, _, value in rows)
    assert found["a"].effect == pytest.approx(mean(a="a2") - mean(a="a1"))
    for level in found["b"].levels:
        assert level.effect == pytest.approx(mean(b=level.name) - whole)
        assert level.low < level.effect < level.high
    difference = (mean(a="a2", c="c2") - mean(a="a1", c="c2")) - (mean(a="a2", c="c1") - mean(a="a1", c="c1"))
    assert found["a x c"].effect == pytest.approx(difference / 2)
    assert freedom == 36 - 1 - 2 - (1 + 2 + 1) - (2 + 1 + 2)
    assert all(term.p_holm >= term.p for term in terms)


def test_missing_cells_and_seeds_leave_estimates_of_what_can_be_estimated():
    rows = [row for row in rows_of(FACTORS, lambda cell: 2.0 * (cell[0] == "a2"), noise=0.1) if row[0] != ("a1", "b3", "c2")]
    rows = [row for row in rows if row[:2] != (("a2", "b1", "c1"), 1)]
    found = {term.name: term for term in estimate(rows, FACTORS, 0.95)[0]}
    assert found["a"].effect == pytest.approx(2.0, abs=0.2)
    assert found["a"].low < 2.0 < found["a"].high


def test_a_fraction_says_what_it_cannot_tell_apart():
    factors = dict.fromkeys("abc", ("-", "+"))
    rows = [row for row in rows_of(factors, lambda cell: 1.0 * (cell[0] == "+"), noise=0.1) if "".join(row[0]).count("+") % 2]
    terms = {term.name: term for term in estimate(rows, factors, 0.95)[0]}
    assert terms["a"].aliases == ("b x c",)
    assert terms["a"].effect == pytest.approx(1.0, abs=0.3)
    assert not terms["b x c"].estimable
    assert terms["b x c"].effect is None


def test_without_a_training_to_spare_there_are_estimates_but_no_intervals():
    factors = dict.fromkeys("ab", ("-", "+"))
    terms, freedom = estimate(rows_of(factors, lambda cell: 1.0, seeds=1), factors, 0.95)
    assert freedom == 0
    assert all(term.effect is not None and term.low is None and term.p is None for term in terms)


def test_the_intervals_of_effects_cover():
    rng, draws, covered = np.random.default_rng(5), 300, 0
    factors = dict.fromkeys("ab", ("-", "+"))
    for _ in range(draws):
        effect = estimate(rows_of(factors, lambda cell: 1.5 * (cell[0] == "+"), rng=rng), factors, 0.95)[0][0]
        covered += effect.low <= 1.5 <= effect.high
    assert binom.ppf(1e-4, draws, 0.95) <= covered <= binom.ppf(1 - 1e-4, draws, 0.95)
