"""From raw outputs to boxes: the score, its threshold, and suppression class by class."""

import math

import pytest
import torch

from evaluators.detection.cells import cells
from evaluators.detection.predictions import predictions

SIZE = (64, 64)
GRID = cells(SIZE)


def logit(chance):
    return math.log(chance / (1 - chance))


def raw(*rows, classes=2):
    """Output (1, N, 5 + K) in which these (cell, w, h, objectness, class chances) alone predict; boxes on the cells' corners."""
    output = torch.full((1, len(GRID), 5 + classes), -20.0)
    for cell, width, height, objectness, *chances in rows:
        sides = [math.log(side / GRID.stride[cell].item()) for side in (width, height)]
        output[0, cell] = torch.tensor([0, 0, *sides, logit(objectness), *map(logit, chances)])
    return output


def test_score_is_objectness_times_the_best_class_and_boxes_are_sorted():
    found = predictions(raw((9, 16, 8, 0.5, 0.2, 0.6), (27, 8, 8, 0.9, 0.8, 0.1)), SIZE)[0]
    assert found.scores.tolist() == pytest.approx([0.72, 0.3], rel=1e-5)
    assert found.labels.tolist() == [0, 1]
    assert found.xyxy.flatten().tolist() == pytest.approx([20, 20, 28, 28, 0, 4, 16, 12], abs=1e-4)


def test_scores_under_one_percent_are_dropped():
    found = predictions(raw((9, 16, 8, 0.1, 0.099, 0.05), (27, 8, 8, 0.1, 0.101, 0.05)), SIZE)[0]
    assert found.scores.tolist() == pytest.approx([0.0101], rel=1e-4)


def test_suppression_is_within_a_class_and_above_its_overlap():
    rows = [(0, 20, 20, 0.9, 0.9, 0.1), (64, 20, 19, 0.9, 0.8, 0.1), (80, 20, 20, 0.9, 0.1, 0.7)]  # one corner, all three strides
    found = predictions(raw(*rows), SIZE)[0]
    assert found.labels.tolist() == [0, 1]
    rows[1] = (64, 20, 12, 0.9, 0.8, 0.1)  # overlap 0.6
    assert predictions(raw(*rows), SIZE)[0].labels.tolist() == [0, 0, 1]


def test_nothing_and_what_is_not_finite_predict_nothing():
    silent = raw()
    assert len(predictions(silent, SIZE)[0].scores) == 0
    for bad in (math.nan, math.inf, -math.inf):
        output = raw((9, 16, 8, 0.5, 0.2, 0.6)).repeat(2, 1, 1)
        output[0, 27, 4:] = 5.0
        output[0, 27, 0] = bad
        broken, whole = predictions(output, SIZE)
        assert torch.equal(broken.xyxy, whole.xyxy)
    assert len(predictions(torch.full_like(silent, math.nan), SIZE)[0].scores) == 0
