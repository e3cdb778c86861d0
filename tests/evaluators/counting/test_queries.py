"""Queries, windows and patches: which query lies where, and which hold any of the image."""

import pytest
import torch

from evaluators.counting.queries import LEVELS, PATCH, asked, chances, holds_image


@pytest.mark.parametrize("name", LEVELS)
def test_each_query_has_the_value_of_its_patch(name):
    level, patches = LEVELS[name], torch.arange(6.0).view(2, 3)
    spread = level.spread(patches, PATCH)
    assert len(spread) == level.rows((2, 3))
    height, width = 128 // level.stride, 384 // level.stride
    y, x = (torch.arange(side) * level.stride + level.stride // 2 for side in (height, width))
    by_place = patches[(y // 64)[:, None], (x // 128)[None]]
    assert spread.equal(by_place.flatten())
    assert level.spread(torch.stack([patches, -patches]), PATCH).equal(torch.stack([spread, -spread]))


def test_a_patch_is_128_sparse_or_512_dense_queries():
    assert [level.rows((1, 1)) for level in LEVELS.values()] == [128, 512]


@pytest.mark.parametrize(
    ("size", "sparse", "dense"),
    [
        ((256, 256), 8 * 128, 128 * 32),
        ((256, 128), 4 * 128, 64 * 32),  # only as far as the first column of patches
        ((65, 129), 4 * 128, 5 * 5 * 32),  # a pixel more than a patch: the next patch, and of its dense windows the first
        ((64, 128), 1 * 128, 16 * 32),
        ((1, 1), 128, 32),
    ],
)
def test_windows_of_padding_alone_are_not_eligible(size, sparse, dense):
    assert [int(level.eligible((4, 2), size).sum()) for level in LEVELS.values()] == [sparse, dense]


def test_patches_that_hold_any_of_the_image():
    assert holds_image((4, 4), (129, 256)).tolist() == [[True, True, False, False]] * 3 + [[False] * 4]


def test_rows_that_were_not_decoded_are_not_asked():
    rows = torch.zeros(2, 256, 4)
    rows[0, 5, 1], rows[1, 7, 1] = -torch.inf, torch.nan
    may = asked(rows, (1, 2), (64, 128), level=LEVELS["sparse"])
    assert may.sum(1).tolist() == [127, 128]  # a row that is not a number was decoded
    assert (~may[0]).nonzero().flatten()[0] == 5
    assert may[0].view(8, 32)[:, 16:].any() == torch.tensor(False)


def test_chances():
    rows = torch.tensor([[0.0, 0.0, 9, 9], [0.0, -torch.inf, 9, 9], [1.0, 3.0, 9, 9]], dtype=torch.float64)
    assert chances(rows).tolist() == pytest.approx([0.5, 0.0, 1 / (1 + torch.e**-2)])
