"""Rectangular windows and back."""

import pytest
import torch

from blocks.windows import attend_in_windows, merge, partition, readable, real


@pytest.mark.parametrize(
    ("grid", "window"), [((8, 12), (4, 3)), ((8, 12), (2, 6)), ((5, 7), (2, 3)), ((5, 7), (5, 7)), ((1, 1), (1, 1))]
)
def test_merging_undoes_partitioning(grid, window):
    x = torch.randn(3, *grid, 2)
    tokens = partition(x, window)
    assert tokens.shape[1:] == (window[0] * window[1], 2)
    assert torch.equal(merge(tokens, window, grid), x)
    assert merge(tokens, window, grid).is_contiguous()


def test_windows_are_rows_of_the_map():
    x = torch.arange(24).view(1, 4, 6, 1)
    tokens = partition(x, (2, 3)).squeeze(2)
    assert tokens.tolist() == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11], [12, 13, 14, 18, 19, 20], [15, 16, 17, 21, 22, 23]]


def test_images_of_a_batch_come_one_after_the_other():
    x = torch.randn(2, 4, 4, 3)
    assert torch.equal(partition(x, (2, 2)), torch.cat([partition(x[:1], (2, 2)), partition(x[1:], (2, 2))]))


def test_padding_is_marked_where_there_is_some():
    assert real((4, 6), (2, 3), torch.device("cpu")) is None
    mask = real((3, 4), (2, 3), torch.device("cpu"))
    assert mask.int().tolist() == [[1, 1, 1, 1, 1, 1], [1, 0, 0, 1, 0, 0], [1, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0]]


def test_what_stands_in_the_padding_changes_nothing():
    query, key, value = (torch.randn(2, 3, 4, 6) for _ in range(3))
    mixed = attend_in_windows(query, key, value, heads=2, window=(2, 3))
    corner = slice(2, 3), slice(3, 4)  # its window has one real position: attention returns its value
    torch.testing.assert_close(mixed[:, *corner], value[:, *corner])


def test_no_gradient_leaks_between_windows():
    query, key, value = (torch.randn(1, 5, 5, 4, requires_grad=True) for _ in range(3))
    attend_in_windows(query, key, value, heads=1, window=(2, 2))[:, :2, :2].sum().backward()
    assert value.grad[:, :2, :2].all()
    assert not value.grad[:, 2:].any()
    assert not value.grad[:, :, 2:].any()


@pytest.mark.parametrize("part", [(3, 2), (4, 6), (2, 6), (1, 1)])
def test_readable_leaves_out_padding_within_the_map(part):
    mask = readable(part, (4, 6), (2, 3), torch.device("cpu"))
    if part == (4, 6):
        assert mask is None
        return
    positions = torch.zeros(4, 6, dtype=torch.bool)
    positions[: part[0], : part[1]] = True
    windows = partition(positions[None, :, :, None], (2, 3)).squeeze(2)
    for given, expected in zip(mask, windows, strict=True):
        assert torch.equal(given, expected) if expected.any() else given.all()


def test_readable_leaves_out_both_kinds_of_padding():
    mask = readable((2, 3), (3, 4), (2, 3), torch.device("cpu"))
    assert mask.int().tolist() == [[1, 1, 1, 1, 1, 1], [1] * 6, [1] * 6, [1] * 6]
    mask = readable((3, 3), (3, 4), (2, 3), torch.device("cpu"))
    assert mask.int().tolist() == [[1, 1, 1, 1, 1, 1], [1] * 6, [1, 1, 1, 0, 0, 0], [1] * 6]


def test_readable_is_real_where_the_map_has_no_padding_of_its_own():
    assert torch.equal(readable((3, 4), (3, 4), (2, 3), torch.device("cpu")), real((3, 4), (2, 3), torch.device("cpu")))
