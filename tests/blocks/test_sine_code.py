"""The code of positions against its definition over whole images."""

import math

import pytest
import torch

from blocks.sine_code import sine_code


def whole(real: torch.Tensor, channels: int) -> torch.Tensor:
    """The definition: (h, w) True where a pixel is real -> (h, w, channels), by counting real pixels down and across."""
    axes = []
    for axis in (0, 1):
        count = real.cumsum(axis, dtype=torch.float32)
        angle = count / (count.select(axis, -1).unsqueeze(axis) + 1e-6) * 2 * math.pi
        pair = torch.arange(channels // 2) // 2
        angles = angle[..., None] / 10000 ** (2 * pair / (channels // 2))
        axes.append(torch.where(torch.arange(channels // 2) % 2 == 0, angles.sin(), angles.cos()))
    return torch.cat(axes, dim=2)


@pytest.mark.parametrize("part", [(64, 128), (33, 128), (64, 90), (41, 77), (1, 1)])
@pytest.mark.parametrize("stride", [1, 4, 8])
def test_at_queries_it_is_the_code_of_the_whole_image(part, stride):
    real = torch.zeros(64, 128, dtype=torch.bool)
    real[: part[0], : part[1]] = True
    rows, columns = (torch.arange(stride // 2, side, stride) for side in (64, 128))
    expected = whole(real, 16)[rows][:, columns]
    torch.testing.assert_close(sine_code(rows, columns, part, 16), expected, rtol=0, atol=1e-6)


def test_shapes_and_a_known_value():
    """The last column and row are at 2 pi, whose sine is 0; row 0 of 4 is at a quarter of it."""
    code = sine_code(torch.arange(4), torch.arange(5), (4, 5), 8)
    assert code.shape == (4, 5, 8)
    slow = 2 * math.pi / 100  # the second pair of an axis turns a hundredth as far
    last = [0, 1, math.sin(slow), math.cos(slow)]
    assert code[3, 4].tolist() == pytest.approx(last * 2, abs=1e-5)
    assert code[0, 4].tolist() == pytest.approx([1, 0, math.sin(slow / 4), math.cos(slow / 4), *last], abs=1e-5)
