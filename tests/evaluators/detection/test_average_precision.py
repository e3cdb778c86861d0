"""COCO's and VOC 2007's average precision on cases worked out by hand."""

import numpy as np
import pytest
import torch

from evaluators.detection.average_precision import Truth, coco_map, eleven_points, inclusive_iou, voc07_map
from evaluators.detection.predictions import Predictions

BOX, OTHER = (10, 10, 29, 29), (50, 50, 89, 69)


def found(*rows):
    """Predictions of one image from (class, score, box)."""
    rows = sorted(rows, key=lambda row: -row[1])
    boxes = torch.tensor([row[2] for row in rows], dtype=torch.float32).view(-1, 4)
    return Predictions(boxes, torch.tensor([float(row[1]) for row in rows]), torch.tensor([row[0] for row in rows]).long())


def truth(*rows, ignored=()):
    """The truth of one image from (class, box); `ignored` are indices."""
    boxes = torch.tensor([row[1] for row in rows], dtype=torch.float32).view(-1, 4)
    flags = torch.tensor([index in ignored for index in range(len(rows))], dtype=torch.bool)
    return Truth(boxes, torch.tensor([row[0] for row in rows]).long(), flags)


@pytest.mark.parametrize(
    ("recall", "precision", "expected"),
    [
        ([1 / 3, 1 / 3, 2 / 3], [1, 1 / 2, 2 / 3], 0.5454545454545454),
        ([0.1, 0.2, 0.2, 0.3, 0.4, 0.4, 0.5], [1, 1, 2 / 3, 0.75, 0.8, 2 / 3, 5 / 7], 0.48311688311688317),
        ([], [], 0),
        ([0.0], [0.0], 0),
        ([1.0], [1.0], 1),
    ],
)
def test_eleven_points(recall, precision, expected):
    assert eleven_points(np.array(recall, float), np.array(precision, float)) == pytest.approx(expected, abs=1e-12)


def test_inclusive_iou_counts_the_last_pixel():
    boxes = np.array([[0, 0, 9, 9], [0, 0, 9, 4], [10, 0, 19, 9], [9, 9, 9, 9]], float)
    assert inclusive_iou(boxes[:1], boxes)[0].tolist() == pytest.approx([1, 0.5, 0, 0.01])


def test_perfect_predictions():
    real = [truth((0, BOX), (1, OTHER)), truth((1, BOX)), truth()]
    named = [found((0, 0.9, BOX), (1, 0.8, OTHER)), found((1, 0.7, BOX)), found()]
    assert coco_map(named, real) == pytest.approx((1, 1))
    assert voc07_map(named, real) == pytest.approx(np.ones(10))


def test_a_second_prediction_of_a_box_is_wrong_and_recall_counts_all_boxes():
    real = [truth((0, BOX), (0, OTHER)), truth((0, BOX))]
    named = [found((0, 0.9, BOX), (0, 0.8, BOX), (0, 0.7, OTHER)), found()]
    # right, wrong, right of three: the vector of eleven_points
    assert voc07_map(named, real)[0] == pytest.approx(0.5454545454545454)


def test_a_prediction_counts_for_the_box_that_it_overlaps_most_even_when_that_is_taken():
    near, far = (0, 0, 99, 99), (0, 20, 99, 119)  # they overlap by 2/3
    real = [truth((0, near), (0, far))]
    named = [found((0, 0.9, near), (0, 0.8, (0, 2, 99, 101)))]
    assert voc07_map(named, real)[0] == pytest.approx(6 / 11)  # COCO would give the second to `far`
    assert coco_map(named, real)[0] == pytest.approx(1)


def test_the_threshold_itself_is_not_above_it():
    real, half = [truth((0, (0, 0, 9, 9)))], [found((0, 0.9, (0, 0, 9, 4)))]
    assert voc07_map(half, real)[0] == 0
    assert voc07_map([found((0, 0.9, (0, 0, 9, 5)))], real).tolist() == pytest.approx([1, 1] + 8 * [0])  # overlap 0.6


def test_ignored_boxes_are_neither_found_nor_missed():
    real = [truth((0, BOX), (0, OTHER), ignored=(1,))]
    for named in ([found((0, 0.9, BOX))], [found((0, 0.95, OTHER), (0, 0.9, BOX), (0, 0.8, OTHER))]):
        assert voc07_map(named, real) == pytest.approx(np.ones(10))
        assert coco_map(named, real) == pytest.approx((1, 1))
    alone = [truth((0, BOX), ignored=(0,))]
    assert voc07_map([found((0, 0.9, BOX))], alone).tolist() == 10 * [0]
    assert coco_map([found((0, 0.9, BOX))], alone) == (0, 0)
    # an image with ignored boxes alone changes nothing of a split
    assert voc07_map([found((0, 0.9, BOX))] * 2, [truth((0, BOX)), alone[0]]) == pytest.approx(np.ones(10))
    assert coco_map([found((0, 0.9, BOX))] * 2, [truth((0, BOX)), alone[0]]) == pytest.approx((1, 1))


def test_the_mean_is_over_the_classes_that_have_a_box_to_find():
    real = [truth((0, BOX), (2, OTHER), (3, OTHER), ignored=(2,))]
    named = [found((0, 0.9, BOX), (1, 0.8, OTHER), (3, 0.7, OTHER))]  # class 1 is only predicted, 2 missed, 3 only ignored
    assert voc07_map(named, real) == pytest.approx(np.full(10, 0.5))
    assert coco_map(named, real) == pytest.approx((0.5, 0.5))


def test_a_right_box_of_the_wrong_class_or_image_is_wrong():
    real = [truth((0, BOX)), truth()]
    assert voc07_map([found((1, 0.9, BOX)), found()], real)[0] == 0
    assert voc07_map([found(), found((0, 0.9, BOX))], real)[0] == 0
    assert voc07_map([found((0, 0.8, BOX)), found((0, 0.9, BOX))], real)[0] == pytest.approx(0.5)


def test_moving_all_boxes_by_one_pixel_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(40, 2, generator=generator) * 60
    boxes = torch.cat([corner, corner + 20], 1).round()
    labels, scores = torch.randint(0, 3, (40,), generator=generator), torch.rand(40, generator=generator)
    named = [Predictions(boxes + torch.randn(40, 4, generator=generator).round(), scores, labels)]
    real = [Truth(boxes, labels, torch.zeros(40, dtype=torch.bool))]
    moved = [Predictions(named[0].xyxy + 1, scores, labels)], [Truth(boxes + 1, labels, real[0].ignored)]
    assert 0 < voc07_map(named, real).mean() < 1
    assert voc07_map(named, real).tolist() == voc07_map(*moved).tolist()


def test_nothing_at_all_and_nothing_predicted():
    for named, real in (([], []), ([found()], [truth()]), ([found((0, 0.9, BOX))], [truth()]), ([found()], [truth((0, BOX))])):
        assert coco_map(named, real) == (0, 0)
        assert voc07_map(named, real).tolist() == 10 * [0]


def test_many_predictions_are_cut_without_a_word(capfd):
    real = [truth((0, BOX))]
    many = found(*((0, 0.9 - 0.001 * i, OTHER) for i in range(100)), (0, 0.5, BOX))
    assert coco_map([many], real)[0] == 0  # the 101st of its class
    assert voc07_map([many], real)[0] == pytest.approx(1 / 101)
    assert capfd.readouterr() == ("", "")
