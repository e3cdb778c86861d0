"""Where people are, and how close together, by hand."""

import math

import numpy as np
import pytest
import torch

from evaluators.counting.people import crowded_half, positions, spacing
from evaluators.points import Points


def test_positions_are_y_x_without_padding():
    targets = [{"points": torch.tensor(points).view(-1, 2)} for points in ([[3.0, 1.0], [5.0, 2.0]], [], [[7.0, 9.0]])]
    found = positions(Points.collate(targets, (64, 64)))
    assert [people.tolist() for people in found] == [[[1, 3], [2, 5]], [], [[9, 7]]]


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ([], math.inf),
        ([[5, 5]], math.inf),
        ([[0, 0], [3, 4]], 5),
        ([[0, 0], [0, 2], [0, 8]], (2 + 2 + 6) / 3),
        ([[1, 1], [1, 1], [1, 4]], 1),  # two in one place are no distance apart
    ],
)
def test_spacing(people, expected):
    assert spacing(np.array(people, dtype=float).reshape(-1, 2)) == expected


@pytest.mark.parametrize(
    ("spacings", "expected"),
    [
        ([3.0], [False]),
        ([3.0, 2.0], [False, True]),
        ([1.0, math.inf, 2.0], [True, False, False]),
        ([math.inf, math.inf, 20.0, 5.0], [False, False, True, True]),
        ([math.inf, math.inf], [True, False]),  # of equal ones the first
    ],
)
def test_the_crowded_half(spacings, expected):
    assert crowded_half(spacings).tolist() == expected
