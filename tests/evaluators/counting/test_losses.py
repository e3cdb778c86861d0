"""The losses against figures worked out by hand."""

import math

import numpy as np
import pytest
import torch

from evaluators.counting.losses import by_use, even, split_losses, terms, used
from evaluators.counting.matching import Pairs

LOG2 = math.log(2)
SIZE = (64, 128)


def made(rows, found, may=None, nothing_weight=0.5):
    """Terms of rows (B, N, 4) with pairs that are (image, row, y, x)."""
    table = torch.tensor(found, dtype=torch.float32).view(-1, 4)
    made_pairs = Pairs(table[:, 0].long(), table[:, 1].long(), table[:, 2:])
    may = torch.ones(rows.shape[:2], dtype=torch.bool) if may is None else may
    return terms(rows, may, made_pairs, size=SIZE, nothing_weight=nothing_weight)


def plain(images=1, rows=4):
    """Both logits 0, all points at 32, 64."""
    return torch.cat([torch.zeros(images, rows, 2), torch.tensor([32.0, 64.0]).expand(images, rows, 2)], 2)


def test_terms_by_hand():
    rows = plain()
    rows[0, 1, :2] = torch.tensor([0.0, math.log(3)])  # a person with 3 in 4
    found = made(rows, [(0, 1, 48.0, 32.0)])
    assert found.weight.tolist() == [[0.5, 1, 0.5, 0.5]]
    assert found.entropy[0].tolist() == pytest.approx([LOG2 / 2, math.log(4 / 3), LOG2 / 2, LOG2 / 2])
    assert found.error.tolist() == pytest.approx([0.25**2 / 2 + 0.25**2 / 2])  # 16 of 64 down, 32 of 128 across


def test_far_errors_are_linear():
    assert made(plain(), [(0, 0, 32.0, 64 + 3 * 128.0)]).error.tolist() == pytest.approx([2.5])


def test_rows_that_were_not_asked_have_no_part_and_no_gradient():
    rows = plain()
    rows[0, 2], rows[0, 3, 1] = torch.nan, -torch.inf
    rows.requires_grad_()
    found = made(rows, [(0, 0, 32.0, 60.0)], may=torch.tensor([[True, True, False, False]]))
    assert found.weight.tolist() == [[1, 0.5, 0, 0]]
    assert found.entropy[0].tolist() == pytest.approx([LOG2, LOG2 / 2, 0, 0])
    sum(even(found, 1)).backward()
    assert rows.grad.isfinite().all()
    assert (rows.grad[0, :2, :2] != 0).all()
    assert (rows.grad[0, 2:] == 0).all()


def test_even_is_a_weighted_mean_and_a_mean_over_people():
    rows = plain()
    rows[0, 1, :2] = torch.tensor([0.0, math.log(3)])
    entropy, points = even(made(rows, [(0, 1, 48.0, 32.0)]), 4)
    assert entropy.item() == pytest.approx((1.5 * LOG2 + math.log(4 / 3)) / 2.5, rel=1e-4)
    assert points.item() == pytest.approx(0.0625 / 4)


def test_nobody_leaves_the_entropy_alone():
    found = made(plain(2), [])
    for entropy, points in (even(found, 0), by_use(found, torch.ones(2, 4, dtype=torch.bool), torch.tensor([True, False]))):
        assert entropy.item() > 0
        assert points.item() == 0


def test_nothing_asked_costs_nothing():
    found = made(plain(2), [], may=torch.zeros(2, 4, dtype=torch.bool))
    assert [value.item() for value in (*even(found, 5), *by_use(found, torch.ones(2, 4) > 0, torch.tensor([True, False])))] == [
        0
    ] * 4


def by_hand():
    """Two images: 0 is no crowd, 1 is. Used: rows 0 and 1 of image 0, row 0 of image 1. Errors 1/32 (image 0, used), 1/8 (image 0,
    not used) and 2 x 1/32 (image 1, used)."""
    rows = plain(2)
    rows[0, 0, :2] = torch.tensor([0.0, math.log(3)])
    pairs_found = [(0, 0, 48.0, 64.0), (0, 3, 32.0, 128.0), (1, 0, 48.0, 96.0)]
    use = torch.tensor([[True, True, False, False], [True, False, False, False]])
    return made(rows, pairs_found), use


def test_three_means_by_hand():
    found, use = by_hand()
    entropy, points = by_use(found, use, torch.tensor([False, True]))
    sparse = (math.log(4 / 3) + LOG2 / 2) / 1.5
    assert entropy.item() == pytest.approx(sparse + LOG2 + LOG2, rel=1e-4)  # all others have both logits 0
    # of image 0 over both its pairs, of image 1 over its one, of the row that is not used over one
    assert points.item() == pytest.approx((1 / 32) / 2 + 2 / 32 + 1 / 8, rel=1e-4)


def test_an_empty_half_is_a_mean_of_nothing():
    found, use = by_hand()
    entropy, points = by_use(found, use, torch.tensor([False, False]))
    assert entropy.item() == pytest.approx((math.log(4 / 3) + 1.5 * LOG2) / 2.5 + LOG2, rel=1e-4)
    assert points.item() == pytest.approx((3 / 32) / 3 + 1 / 8, rel=1e-4)


def test_what_a_split_uses():
    split = torch.tensor([0.0, 0.5, np.nextafter(np.float32(0.5), np.float32(1)), 1.0])
    assert used(split, "sparse").tolist() == [True, True, True, False]
    assert used(split, "dense").tolist() == [False, False, True, True]


def test_split_losses_read_eligible_patches_alone():
    split = torch.tensor([[[0.2, 0.7], [torch.nan, torch.nan]], [[0.5, 0.5], [torch.nan, torch.nan]]], requires_grad=True)
    sparse, dense = split_losses(split, torch.tensor([[True, True], [False, False]]))
    assert sparse.tolist() == pytest.approx([0.2, 0.5])
    assert dense.tolist() == pytest.approx([0.3, 0.5])
    (sparse + 2 * dense).sum().backward()
    assert split.grad[:, 1].tolist() == [[0, 0], [0, 0]]
    assert split.grad[0, 0].tolist() == [1, -2]


def test_a_split_that_broke_shows():
    split = torch.tensor([[[torch.nan, 0.5]]])
    assert all(loss.isnan().all() for loss in split_losses(split, torch.tensor([[True, True]])))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    found = made(plain().to(dtype), [(0, 1, 48.0, 32.0)])
    assert {found.entropy.dtype, found.error.dtype, found.weight.dtype} == {torch.float32}
