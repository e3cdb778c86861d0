import random

import pytest
from optuna._hypervolume import compute_hypervolume
from toy import measurements, toy_space

from evaluators.api import Outcome
from search.objectives import objectives
from search.pareto import best_first, dominates, front, hypervolume, ranks
from search.records import Proposal, Record


def test_dominance_and_ties():
    assert dominates((1, 2), (1, 3))
    assert not dominates((1, 2), (1, 2))
    assert not dominates((0, 3), (1, 2))
    assert ranks([(0, 3), (1, 2), (1, 2), (1, 3), (5, 5)]) == [0, 0, 0, 1, 2]
    assert ranks([]) == []


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_ranks_peel_front_after_front(count):
    rng = random.Random(count)
    points = [tuple(rng.randrange(12) for _ in range(count)) for _ in range(300)]  # with equals, over more than one block
    left, expected, level = dict(enumerate(points)), {}, 0
    while left:
        best = [n for n, at in left.items() if not any(dominates(other, at) for other in left.values())]
        expected |= dict.fromkeys(best, level)
        left, level = {n: at for n, at in left.items() if n not in expected}, level + 1
    assert ranks(points) == [expected[n] for n in range(300)]


def test_ranks_of_ten_thousand():
    line = [(float(n), float(n), float(n)) for n in range(10_000)]
    assert ranks(line[::-1]) == list(range(10_000))[::-1]


def test_best_first_takes_the_ends_then_what_has_room():
    points = [(0, 9), (3, 4), (4, 3), (9, 0), (9, 9), (3, 4)]
    assert best_first(points) == [0, 3, 1, 2, 5, 4]
    assert best_first([]) == []


@pytest.mark.parametrize("objectives_count", [1, 2, 3, 4])
def test_hypervolume_equals_optuna(objectives_count):
    numpy = pytest.importorskip("numpy")
    rng = random.Random(objectives_count)
    points = [tuple(rng.random() for _ in range(objectives_count)) for _ in range(12)]
    reference = (0.9,) * objectives_count
    inside = [point for point in points if all(value < 0.9 for value in point)]
    expected = compute_hypervolume(numpy.array(inside), numpy.array(reference))
    assert hypervolume(points, reference) == pytest.approx(expected)
    assert hypervolume(points * 2, reference) == pytest.approx(expected)


def test_front_takes_each_trials_furthest_rung_and_what_ended_ok():
    space, goals = toy_space(), objectives({"miou": "max", "latency_ms": "min"})

    def record(number, values, kind="ok", trial=None):
        chain = number if trial is None else trial
        return Record(number, Proposal(space.baseline, 0, 1, trial), chain, measurements=values, outcome=Outcome(kind))

    records = [
        record(0, {"miou": 0.5, "latency_ms": 2.0}),
        record(1, {"miou": 0.9, "latency_ms": 1.0}, kind="failed"),
        record(2, {"miou": 0.6, "latency_ms": 3.0}),
        record(3, {"miou": 0.4, "latency_ms": 3.0}),
        record(4, {"miou": None, "latency_ms": 0.1}),
        record(5, {"miou": 0.3, "latency_ms": 3.0}, trial=2),
    ]
    assert [each.number for each in front(records, goals)] == [0]
    assert [each.number for each in front(records[:5], goals)] == [2, 0]


def test_min_and_max_are_symmetric():
    space, goals = toy_space(), objectives({"miou": "max", "latency_ms": "min"})
    rng = random.Random(0)
    arches = [space.sample(rng) for _ in range(40)]
    readings = [{**measurements(arch, 0, 0), **measurements(arch, 0, 2)} for arch in arches]
    flipped = [{"miou": -r["miou"], "latency_ms": -r["latency_ms"]} for r in readings]

    def numbers(readings, goals):
        items = [Record(n, Proposal(arches[n], 0, 1), n, measurements=r, outcome=Outcome("ok")) for n, r in enumerate(readings)]
        return {each.number for each in front(items, goals)}

    assert numbers(readings, goals) == numbers(flipped, objectives({"miou": "min", "latency_ms": "max"}))
