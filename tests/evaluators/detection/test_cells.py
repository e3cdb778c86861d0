"""Cells, decoding and overlap against figures worked out by hand."""

import pytest
import torch

from evaluators.detection.cells import cells, count, decode, encode, iou, to_centre, to_corners


def test_cells_are_ordered_by_stride_then_row_by_row():
    grid = cells((64, 96))
    assert len(grid) == count((64, 96)) == 8 * 12 + 4 * 6 + 2 * 3
    assert [len(cells((side, side))) for side in (160, 416)] == [525, 3549]
    assert grid.stride.unique_consecutive().tolist() == [8, 16, 32]
    assert grid.corner[[0, 1, 12, 96, 97, 102, 120]].tolist() == [[0, 0], [1, 0], [0, 1], [0, 0], [1, 0], [0, 1], [0, 0]]
    assert grid.centre[[0, 13, 125]].tolist() == [[4, 4], [12, 12], [80, 48]]


def test_zeros_decode_to_the_corner_and_the_stride():
    grid = cells((64, 96))
    boxes = decode(torch.zeros(2, len(grid), 4), grid)
    assert torch.equal(boxes[1, :, :2], grid.corner * grid.stride)
    assert torch.equal(boxes[1, :, 2:], grid.stride.expand(-1, 2))


def test_encode_is_the_inverse_of_decode():
    grid = cells((32, 32))
    raw = torch.randn(len(grid), 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(encode(decode(raw, grid), grid), raw, atol=1e-5)


def test_great_sizes_stay_finite_and_usual_ones_exact():
    grid = cells((32, 32))
    raw = torch.zeros(len(grid), 4)
    raw[0, 2:] = torch.tensor([500.0, 7.9])
    boxes = decode(raw.half(), grid)
    assert boxes.dtype == torch.float32
    assert boxes.isfinite().all()
    assert boxes[0, 3].item() == pytest.approx(8 * torch.tensor(7.9).half().float().exp().item())


def test_iou_by_hand():
    first = torch.tensor([50.0, 50, 40, 40])
    others = torch.tensor(
        [[60.0, 50, 40, 40], [50, 50, 40, 40], [200, 50, 40, 40], [90, 90, 40, 40], [50, 50, 20, 40], [50, 50, 0, 0]]
    )
    assert iou(first, others).tolist() == pytest.approx([0.6, 1, 0, 0, 0.5, 0])
    assert iou(others[5], others[5]).item() == 0


def test_corners_and_centre():
    corners = torch.tensor([[10.0, 20, 40, 60]])
    assert to_centre(corners).tolist() == [[25, 40, 30, 40]]
    assert torch.equal(to_corners(to_centre(corners)), corners)
    assert to_centre(torch.tensor([40.0, 20, 10, 60])).tolist() == [25, 40, 0, 40]
