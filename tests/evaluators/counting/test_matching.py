"""Pairing of people with queries: least total cost, in a whole image or patch by patch."""

from itertools import permutations

import numpy as np
import pytest
import torch

from evaluators.counting.matching import Patches, cheapest, pairs

EMPTY = np.zeros((0, 2))


def test_the_least_total_cost_not_the_nearest_first():
    answers = np.array([[0.5, 0, 0], [0.5, 0, 10]])
    row, person = cheapest(answers, np.array([[0.0, 4.0], [0.0, -20.0]]), pixel_cost=0.05)
    assert dict(zip(person, row, strict=True)) == {0: 1, 1: 0}  # 6 + 20 pixels, where the nearest first costs 4 + 30


def test_twenty_pixels_outweigh_a_whole_chance():
    for far, expected in ((19.0, 1), (21.0, 0)):
        row, _ = cheapest(np.array([[0.0, 0, 0], [1.0, 0, far]]), np.array([[0.0, 0.0]]), pixel_cost=0.05)
        assert row.tolist() == [expected]


def test_no_assignment_is_cheaper():
    draw = np.random.default_rng(0)
    answers, people = draw.random((6, 3)) * [1, 64, 64], draw.random((4, 2)) * 64
    cost = 0.05 * np.linalg.norm(people[:, None] - answers[:, 1:], axis=2) - answers[:, 0]
    row, person = cheapest(answers, people, pixel_cost=0.05)
    assert cost[person, row].sum() == pytest.approx(min(cost[range(4), rows].sum() for rows in permutations(range(6), 4)))


@pytest.mark.parametrize(("rows", "people", "found"), [(3, 5, 3), (5, 3, 3), (0, 4, 0), (4, 0, 0), (0, 0, 0)])
def test_as_many_pairs_as_there_can_be(rows, people, found):
    row, person = cheapest(np.ones((rows, 3)), np.ones((people, 2)), pixel_cost=0.05)
    assert len(row) == len(set(row)) == len(person) == len(set(person)) == found


def batch(images, rows=128 + 512):
    """(B, N, 4) rows of one patch: chance a half, points all at 0, 0."""
    return torch.zeros(images, rows, 4), torch.ones(images, rows, dtype=torch.bool)


def test_only_asked_rows_answer_image_by_image():
    rows, may = batch(3)
    rows[:, :, 2:] = 500.0
    rows[:, 7, 2:] = rows[:, 9, 2:] = torch.tensor([10.0, 20.0])
    may[0, 7] = False
    found = pairs(rows, may, [np.array([[10.0, 20.0]]), EMPTY, np.array([[10.0, 20.0], [11.0, 20.0]])], pixel_cost=0.05)
    assert found.image.tolist() == [0, 2, 2]
    assert found.row.tolist()[0] == 9
    assert set(found.row.tolist()[1:]) == {7, 9}
    assert sorted(found.person.tolist()) == [[10, 20], [10, 20], [11, 20]]


@pytest.mark.parametrize("patches", [None, Patches((1, 1), (64, 128))])
def test_nobody_at_all_and_nothing_asked(patches):
    rows, may = batch(2)
    crowd = np.ones((3, 2))
    for people, allowed in (([EMPTY, EMPTY], may), ([crowd, EMPTY], ~may)):
        found = pairs(rows, allowed, people, pixel_cost=0.05, patches=patches)
        assert [len(part) for part in (found.image, found.row, found.person)] == [0, 0, 0]
        assert (found.image.dtype, found.person.shape) == (torch.int64, (0, 2))


def test_numbers_that_are_not_finite_pair_all_the_same():
    rows, may = batch(1)
    rows[0, :400] = torch.nan
    rows[0, 400:, 2:] = torch.inf
    assert len(pairs(rows, may, [np.ones((600, 2))], pixel_cost=0.05).row) == 600


def test_patch_numbers():
    patches = Patches((2, 2), (100, 200))
    people = np.array([[0, 0], [63.9, 127.9], [64, 0], [10, 128], [99, 199], [-5, -5], [400, 10], [10, 900]])
    assert patches.of_people(people).tolist() == [0, 0, 2, 1, 3, 0, 2, 1]
    assert Patches((2, 2), (64, 128)).of_people(np.array([[64.0, 128.0]])).tolist() == [0]  # on the edge of an image of one patch
    of_rows = patches.of_rows()
    assert len(of_rows) == 4 * (128 + 512)
    assert np.bincount(of_rows).tolist() == [640] * 4
    assert of_rows[[0, 16, 128 * 4 - 1, 128 * 4, 128 * 4 + 32]].tolist() == [0, 1, 3, 0, 1]


def test_by_patch_a_query_answers_at_home_wherever_its_point_lies():
    rows, may = torch.zeros(1, 2 * 640, 4), torch.zeros(1, 2 * 640, dtype=torch.bool)
    home = Patches((1, 2), (64, 256)).of_rows()
    left, right = np.flatnonzero(home == 0)[3], np.flatnonzero(home == 1)[3]
    may[0, [left, right]] = True
    rows[0, left, 2:], rows[0, right, 2:] = torch.tensor([5.0, 200.0]), torch.tensor([5.0, 10.0])
    people = [np.array([[5.0, 10.0], [5.0, 200.0]])]
    anywhere = pairs(rows, may, people, pixel_cost=0.05)
    at_home = pairs(rows, may, people, pixel_cost=0.05, patches=Patches((1, 2), (64, 256)))
    assert dict(zip(anywhere.row.tolist(), anywhere.person[:, 1].tolist(), strict=True)) == {left: 200, right: 10}
    assert dict(zip(at_home.row.tolist(), at_home.person[:, 1].tolist(), strict=True)) == {left: 10, right: 200}
