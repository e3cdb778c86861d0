"""Pooling as a token mixer."""

from typing import Literal

import torch
from torch import nn

from blocks.checks import check_odd
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("pool")
class PoolMixer(nn.Module):
    """Mix tokens by average pooling, minus the input so that the residual does not count it twice (`minus` nothing: as it is).
    Padding is left out of the mean.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd size. No parameters. Source: arXiv 2111.11418 (PoolFormer)."""

    norm = "batchnorm"
    join = Option("layer_scale")
    reads_neighbours = True

    def __init__(self, dim: int, *, size: int = 3, minus: Literal["input", "nothing"] = "input"):
        super().__init__()
        check_odd("mixer pool", "size", size)
        self.minus = minus
        self.pool = nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x) - x if self.minus == "input" else self.pool(x)
