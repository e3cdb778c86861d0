"""Pooling as a token mixer."""

import torch
from torch import nn

from blocks.mixer import MIXER


@MIXER.register("pool")
class PoolMixer(nn.Module):
    """Mix tokens by average pooling, minus the input so that the residual does not count it twice. Padding is left out of the mean.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd size. No parameters. Source: arXiv 2111.11418 (PoolFormer)."""

    norm = "batchnorm"
    layer_scale = 1e-5

    def __init__(self, dim: int, *, size: int = 3):
        super().__init__()
        if size < 1 or size % 2 == 0:
            raise ValueError(f"mixer pool: size is {size}, but must be odd to keep the map's size")
        self.pool = nn.AvgPool2d(size, stride=1, padding=size // 2, count_include_pad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pool(x) - x
