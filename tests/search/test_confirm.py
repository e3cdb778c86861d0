"""Who gets more seeds."""

import pytest

from search.confirm import doubtful, spreads

LEARNT = [0]


def test_close_ones_and_those_just_below_are_in_doubt():
    points = [(-0.80, 9.0), (-0.79, 5.0), (-0.60, 1.0), (-0.785, 5.5), (-0.5, 2.0)]  # accuracy negated, latency
    assert doubtful(points, LEARNT, {0: 0.01}) == [0, 1, 3]  # the third is far off, the last far below
    assert doubtful(points, LEARNT, {0: 0.001}) == []


def test_no_better_in_what_is_known_is_no_rival():
    """Of three objectives each is better in one that is sure: whatever the accuracies are, neither dominates."""
    assert doubtful([(-0.8, 1.0, 9.0), (-0.8, 9.0, 1.0)], LEARNT, {0: 0.1}) == []


def test_without_a_spread_the_whole_front_and_the_nearest_below():
    points = [(-0.8, 5.0), (-0.6, 1.0), (-0.79, 6.0), (-0.59, 2.0), (-0.1, 7.0)]
    assert doubtful(points, LEARNT, None) == [0, 1, 2, 3]


def test_the_spread_is_pooled_once_enough_seeds_tell():
    assert spreads({"a": [(1.0,), (3.0,)], "b": [(5.0,)]}, LEARNT) is None
    found = spreads({"a": [(1.0,), (3.0,)], "b": [(5.0,), (5.0,), (8.0,)]}, LEARNT)
    assert found[0] == pytest.approx(((2.0 + 6.0) / 3) ** 0.5)
