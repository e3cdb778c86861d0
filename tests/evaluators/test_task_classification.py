"""Classification: the loss and the metrics against figures worked out by hand."""

import math

import pytest
import torch

from evaluators.data import DATA
from evaluators.task import TASKS

CPU = torch.device("cpu")


def test_loss_is_plain_cross_entropy_in_fp32():
    logits, target = torch.tensor([[2.0, 0, 0], [0, 0, 0]]).bfloat16(), torch.tensor([0, 2])
    first = math.log(math.exp(2) + 2) - 2
    assert TASKS["classification"]().loss(logits, target).item() == pytest.approx((first + math.log(3)) / 2, rel=1e-6)


def test_smoothing_shares_its_part_among_all_classes():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    logs = torch.log_softmax(logits[0], 0)
    expected = -(0.7 * logs[0] + 0.1 * logs.sum())
    assert TASKS["classification"](smoothing=0.3).loss(logits, torch.tensor([0])).item() == pytest.approx(expected.item(), rel=1e-6)


def test_soft_targets_of_mixed_batches_are_taken_and_smoothed():
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    logs = torch.log_softmax(logits[0], 0)
    soft = torch.tensor([[0.25, 0.75, 0.0]])
    plain = -(0.25 * logs[0] + 0.75 * logs[1])
    assert TASKS["classification"]().loss(logits, soft).item() == pytest.approx(plain.item(), rel=1e-6)
    smooth = 0.7 * plain - 0.1 * logs.sum()
    assert TASKS["classification"](smoothing=0.3).loss(logits, soft).item() == pytest.approx(smooth.item(), rel=1e-6)


def test_a_hard_soft_target_is_the_label():
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    for task in (TASKS["classification"](), TASKS["classification"](smoothing=0.1)):
        soft = task.loss(logits, torch.eye(4)[labels])
        assert task.loss(logits, labels).item() == pytest.approx(soft.item(), rel=1e-6)


def test_top_1_and_top_5_by_hand():
    scorer = TASKS["classification"](smoothing=0.4).scorer(7, CPU)
    ranked = torch.tensor([[6.0, 5, 4, 3, 2, 1, 0]])  # class k is at place k
    scorer.update(ranked.repeat(3, 1), torch.tensor([0, 4, 5]))
    scorer.update(ranked, torch.tensor([6]))
    scores = scorer.compute()
    assert set(scores) == set(TASKS["classification"].metrics)
    assert scores["top1"] == 1 / 4
    assert scores["top5"] == 2 / 4
    places = torch.log_softmax(ranked[0], 0)
    assert scores["loss"] == pytest.approx(-places[[0, 4, 5, 6]].mean().item(), rel=1e-6)  # plain, and over images, not batches


def test_top_5_of_fewer_classes_is_top_k():
    scorer = TASKS["classification"]().scorer(3, CPU)
    scorer.update(torch.randn(8, 3), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1]))
    assert scorer.compute()["top5"] == 1.0


def test_errors_name_the_setting_the_data_and_the_network():
    with pytest.raises(ValueError, match=r"task\.smoothing: 1"):
        TASKS["classification"](smoothing=1)
    TASKS["classification"]().check(DATA["garments"]())
    with pytest.raises(ValueError, match=r"such as data=garments; Scenes has targets of kind 'mask'"):
        TASKS["classification"]().check(DATA["scenes"]())
    with pytest.raises(ValueError, match=r"output \(B, classes\); this one gives \(2, 3, 4, 4\)"):
        TASKS["classification"]().loss(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]))
