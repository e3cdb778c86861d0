"""Which trials are thought of again where there are too many."""

import random
from types import SimpleNamespace

import pytest

from search.objectives import Objective
from search.pareto import ranks
from search.surrogate.facts import ORDERED, Facts, Known, foremost

GOALS = (Objective("accuracy", "max"), Objective("latency_ms", "min"))


def trials(count, seed=0):
    rng = random.Random(seed)
    return [Known(None, row, {"latency_ms": rng.random()}, {1: {"accuracy": rng.random()}}) for row in range(count)]


def facts_of(read):
    found = Facts(SimpleNamespace(ordered=()), GOALS)
    found.whole[1] = read
    return found


def levels(read):
    return ranks([(-known.readings[1]["accuracy"], known.measured["latency_ms"]) for known in read])


def test_few_are_all_thought_of():
    read = trials(30)
    assert facts_of(read).foremost(1, 30) == read
    assert facts_of(read).foremost(1, 30, lambda known: known.row % 2) == read[1::2]
    assert facts_of(read).foremost(2, 30) == []


@pytest.mark.parametrize("count", [ORDERED, 2 * ORDERED, 3 * ORDERED - 1])
def test_of_many_the_newest_third_and_the_foremost_fronts(count):
    read = trials(count)
    chosen = facts_of(read).foremost(1, 60)
    rows = [known.row for known in chosen]
    assert len(rows) == 60
    assert rows == sorted(set(rows))
    assert rows[-20:] == list(range(count - 20, count))
    by = levels(read[: count // ORDERED * ORDERED])
    left = [by[row] for row in range(len(by)) if row not in rows]
    taken = [by[row] for row in rows if row < min(len(by), count - 20)]
    assert max(taken) <= min(left)


def test_those_that_are_not_wanted_take_no_place():
    read = trials(300)
    best = {known.row for known, level in zip(read, levels(read), strict=True) if level < 3}
    chosen = facts_of(read).foremost(1, 60, lambda known: known.row not in best)
    assert len(chosen) == 60
    assert not best & {known.row for known in chosen}


def test_what_was_chosen_depends_on_the_readings_not_on_when_it_was_asked():
    read = trials(350)
    growing = facts_of(read[:120])
    for count in (120, 199, 205, 301, 350):
        growing.whole[1] = read[:count]
        growing.foremost(1, 60)
    assert growing.foremost(1, 60) == facts_of(read).foremost(1, 60)


def test_a_trial_without_an_objective_is_on_no_front():
    read = trials(5)
    read[2].measured = {}
    assert 2 not in [known.row for known in foremost(read, 1, GOALS)]
    assert len(foremost(read, 1, GOALS, 3)) == 3
