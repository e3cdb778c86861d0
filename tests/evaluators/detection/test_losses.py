"""The four losses against figures worked out by hand and cases measured on YOLOX's own code."""

import math

import pytest
import torch
from torch.nn import functional as F

from evaluators.boxes import Boxes
from evaluators.detection.assign import RULES
from evaluators.detection.cells import cells
from evaluators.detection.losses import losses

GRID = cells((416, 416))


def batch(*images, size=(416, 416)):
    """Boxes of images that are lists of (class, cx, cy, w, h)."""
    targets = []
    for rows in images:
        table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
        centre, half = table[:, 1:3], table[:, 3:] / 2
        targets.append(
            {
                "boxes": torch.cat([centre - half, centre + half], 1),
                "labels": table[:, 0].long(),
                "ignored": torch.zeros(len(table), dtype=torch.bool),
                "scale": 1.0,
            }
        )
    return Boxes.collate(targets, size)


THREE = [(7, 101, 118, 50, 80), (3, 211, 205, 100, 60), (14, 120, 125, 70, 60)]


def squares(images=1):
    """Every cell predicts a 64 x 64 box on its centre, objectness -1, classes -2."""
    output = torch.full((images, 3549, 25), -2.0)
    output[..., :2], output[..., 2:4], output[..., 4] = 0.5, (64 / GRID.stride).log(), -1.0
    return output


@pytest.mark.parametrize(
    ("rule", "box", "classes", "total"),
    [("upstream", 2.69949198, 3.88675094, 69.35102844), ("team_older", 2.67824793, 3.89390612, 69.33693695)],
)
def test_three_boxes_as_measured_upstream(rule, box, classes, total):
    parts = losses(squares(), batch(THREE), rule=RULES[rule], l1=False)
    assert parts.matched == 18
    terms = [value.item() / 18 for value in (parts.box, parts.objectness, parts.classes, parts.l1, parts.total)]
    assert terms == pytest.approx([box, 62.76478577, classes, 0, total], rel=1e-5)


def one_match():
    """A 64 x 64 image with one box of class 1 that one cell meets with IoU 0.6; all other logits are 0."""
    output = torch.zeros(1, len(cells((64, 64))), 7)
    output[0, 80, :4] = torch.tensor([1.0, 1.0, math.log(40 / 32), math.log(40 / 32)])  # the stride-32 cell 0, 0: 32, 32, 40, 40
    return output, batch([(1, 42, 32, 40, 40)], size=(64, 64))


def test_one_match_by_hand():
    output, target = one_match()
    output[0, :, 2:4] = torch.where(torch.arange(84)[:, None] == 80, output[0, :, 2:4], -8.0)  # the others overlap nothing
    parts = losses(output, target, rule=RULES["upstream"], l1=True)
    assert parts.matched == 1
    assert parts.box.item() == pytest.approx(5 * 0.64, rel=1e-5)
    assert parts.objectness.item() == pytest.approx(84 * math.log(2), rel=1e-5)
    assert parts.classes.item() == pytest.approx(2 * math.log(2), rel=1e-5)  # at logit 0 whatever the target
    assert parts.l1.item() == pytest.approx(10 / 32, rel=1e-5)


def test_the_class_target_is_the_overlap():
    output, target = one_match()
    output[0, :, 2:4] = torch.where(torch.arange(84)[:, None] == 80, output[0, :, 2:4], -8.0)
    output[0, 80, 5:] = torch.tensor([-1.0, 2.0])
    expected = F.binary_cross_entropy_with_logits(output[0, 80, 5:], torch.tensor([0.0, 0.6]), reduction="sum")
    parts = losses(output, target, rule=RULES["upstream"], l1=False)
    assert parts.classes.item() == pytest.approx(expected.item(), rel=1e-5)
    assert parts.objectness.item() == pytest.approx(84 * math.log(2), rel=1e-5)


def test_an_image_without_boxes_has_objectness_alone():
    alone = losses(squares(), batch([]), rule=RULES["upstream"], l1=True)
    assert alone.matched == 0
    assert alone.total.item() == pytest.approx(3549 * math.log(1 + math.exp(-1)), rel=1e-5)
    assert (alone.box.item(), alone.classes.item(), alone.l1.item()) == (0, 0, 0)
    both, three = (losses(squares(len(b)), b, rule=RULES["upstream"], l1=True) for b in (batch([], THREE), batch(THREE)))
    assert both.total.item() == pytest.approx(alone.total.item() + three.total.item(), rel=1e-5)


def test_images_are_assigned_one_by_one():
    target = batch(THREE, [], THREE[:1])
    output = torch.randn(3, 3549, 25, generator=torch.Generator().manual_seed(0))
    whole = losses(output, target, rule=RULES["upstream"], l1=True)
    parts = [losses(output[[i]], batch(rows), rule=RULES["upstream"], l1=True) for i, rows in enumerate((THREE, [], THREE[:1]))]
    assert whole.matched == sum(part.matched for part in parts)
    assert whole.total.item() == pytest.approx(sum(part.total.item() for part in parts), rel=1e-5)


def test_gradients_reach_every_matched_number_and_every_objectness():
    output = squares(2).requires_grad_()
    parts = losses(output, batch(THREE, []), rule=RULES["upstream"], l1=False)
    parts.total.backward()
    assert output.grad.isfinite().all()
    assert (output.grad[..., 4] != 0).all()
    touched = (output.grad[..., 5:] != 0).all(-1)
    assert touched.sum() == parts.matched == 18
    assert (output.grad[..., :4] != 0).any(-1).equal(touched)


def test_ignored_boxes_are_learned_like_any_other():
    target = batch(THREE)
    as_usual = losses(squares(), target, rule=RULES["upstream"], l1=False).total
    target.ignored[:] = True
    assert losses(squares(), target, rule=RULES["upstream"], l1=False).total == as_usual


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    output = squares().to(dtype)
    parts = losses(output, batch(THREE), rule=RULES["upstream"], l1=True)
    assert parts.total.dtype == torch.float32
    assert parts.total == losses(output.float(), batch(THREE), rule=RULES["upstream"], l1=True).total


def test_great_sizes_have_finite_losses_and_gradients():
    output = squares()
    output[..., 2:4] = 300.0
    output.requires_grad_()
    parts = losses(output, batch(THREE), rule=RULES["upstream"], l1=True)
    parts.total.backward()
    assert parts.total.isfinite()
    assert output.grad.isfinite().all()


def test_a_loss_of_what_is_not_a_number_is_not_a_number():
    parts = losses(torch.full_like(squares(), math.nan), batch(THREE), rule=RULES["upstream"], l1=False)
    assert parts.total.isnan()
