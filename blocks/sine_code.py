"""The sine code of positions, at any positions."""

import math
from collections.abc import Sequence

import torch

TEMPERATURE = 10000
EPSILON = 1e-6


def sine_code(rows: torch.Tensor, columns: torch.Tensor, part: Sequence[int], channels: int) -> torch.Tensor:
    """The code of the positions (row, column) of a map of which `part`, (height, width) at the top left, is real and the rest
    padding: integers (h,) and (w,) -> (h, w, channels) float32, the rows' half first.

    An axis counts real positions, from 1 to 2 pi at the last one; in padding beside the real part nothing is there to count.
    Computed for the positions given alone, however large the map is. Needs: channels divisible by 4.
    Source: arXiv 2005.12872 (DETR).
    """
    height, width = part
    nothing = _axis(rows.new_zeros(1), 0, channels // 2)
    down = torch.where((columns < width)[:, None], _axis(rows, height, channels // 2)[:, None], nothing)
    across = torch.where((rows < height)[:, None, None], _axis(columns, width, channels // 2), nothing)
    return torch.cat([down, across], dim=2)


def _axis(places: torch.Tensor, count: int, channels: int) -> torch.Tensor:
    """Of places (n,), from 0, on an axis with `count` real ones: (n, channels); sine and cosine in turns, ever slower."""
    last = torch.full((), float(count), device=places.device)
    angle = (places + 1).clamp(max=count) / (last + EPSILON) * (2 * math.pi)
    pair = torch.arange(channels, device=places.device, dtype=torch.float32) // 2
    angles = angle[:, None] / TEMPERATURE ** (2 * pair / channels)
    return torch.stack([angles[:, 0::2].sin(), angles[:, 1::2].cos()], dim=2).flatten(1)
