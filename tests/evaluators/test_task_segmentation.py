"""Segmentation: the loss and the metrics against figures worked out by hand."""

import math

import pytest
import torch

from evaluators.data import DATA
from evaluators.task import TASKS

CPU = torch.device("cpu")


def one_hot(ids, classes, height=10.0):
    """Logits (B, K, H, W) whose arg-max is ids."""
    return torch.nn.functional.one_hot(torch.as_tensor(ids), classes).permute(0, 3, 1, 2) * height


def test_loss_is_the_mean_over_pixels_that_count():
    task = TASKS["segmentation"]()
    logits = torch.zeros(1, 3, 2, 2)
    logits[0, 0, 0, 0] = 2.0
    target = torch.tensor([[[0, 255], [1, 2]]], dtype=torch.uint8)
    first = -2 + math.log(math.exp(2) + 2)
    assert task.loss(logits, target).item() == pytest.approx((first + 2 * math.log(3)) / 3, rel=1e-6)
    assert task.loss(logits, torch.full_like(target, 255)).item() == 0.0


def test_balance_gives_each_class_the_same_say():
    target = torch.zeros(1, 4, 4, dtype=torch.uint8)
    target[0, 0, 0] = 1
    logits = one_hot(torch.zeros(1, 4, 4, dtype=torch.long), 3, 1.0)
    right, wrong = (-torch.log_softmax(torch.tensor([1.0, 0, 0]), 0)[k].item() for k in (0, 1))
    assert TASKS["segmentation"](balance=1.0).loss(logits, target).item() == pytest.approx((right + wrong) / 2, rel=1e-5)
    assert TASKS["segmentation"]().loss(logits, target).item() == pytest.approx((15 * right + wrong) / 16, rel=1e-5)


def test_metrics_by_hand_with_ignored_pixels_and_absent_classes():
    scorer = TASKS["segmentation"]().scorer(5, CPU)
    scorer.update(one_hot([[[0, 0], [1, 1]]], 5), torch.tensor([[[0, 0], [0, 1]]], dtype=torch.uint8))
    scorer.update(one_hot([[[3, 2], [2, 0]]], 5), torch.tensor([[[255, 2], [2, 0]]], dtype=torch.uint8))
    scores = scorer.compute()
    # class 0: 3 of 4, class 1: 1 of 2, class 2: 2 of 2; class 3 only under an ignored pixel, class 4 nowhere
    assert scores["miou"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert scores["pixel_accuracy"] == pytest.approx(6 / 7)
    assert set(scores) == set(TASKS["segmentation"].metrics)


def test_a_class_only_predicted_counts_as_zero():
    scorer = TASKS["segmentation"]().scorer(3, CPU)
    scorer.update(one_hot([[[0, 2]]], 3), torch.tensor([[[0, 0]]], dtype=torch.uint8))
    assert scorer.compute()["miou"] == pytest.approx((1 / 2 + 0) / 2)


def test_small_logits_are_enlarged_to_the_mask():
    task, target = TASKS["segmentation"](), torch.zeros(2, 9, 13, dtype=torch.uint8)
    logits = torch.randn(2, 4, 3, 4, requires_grad=True)
    task.loss(logits, target).backward()
    assert logits.grad.abs().sum() > 0
    scorer = task.scorer(4, CPU)
    scorer.update(logits.detach(), target)
    assert scorer.compute()["loss"] == pytest.approx(task.loss(logits, target).item(), rel=1e-5)


def test_errors_name_the_setting():
    with pytest.raises(ValueError, match=r"task\.balance: 2"):
        TASKS["segmentation"](balance=2)

    class Points:
        target = "points"

    TASKS["segmentation"]().check(DATA["scenes"]())
    with pytest.raises(ValueError, match="Points has targets of kind 'points'"):
        TASKS["segmentation"]().check(Points())
