"""Patch embedding by pooling."""

import torch
from torch import nn

from blocks.embed import EMBED
from blocks.norm import NORM


@EMBED.register("pool")
class PoolEmbed(nn.Module):
    """Average overlapping patches (padding left out of the mean), then a 1x1 convolution and a norm over channels. The 1x1 commutes
    with the pooling, so it runs where it is cheap: after it.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Source: BoostFormer (final-project-level3-cv-16)."""

    def __init__(self, channels: int, dim: int, kernel: int, stride: int, padding: int | None = None):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.pool = nn.AvgPool2d(kernel, stride=stride, padding=padding, count_include_pad=False)
        self.project = nn.Linear(channels, dim)
        self.norm = NORM["layernorm"](dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.project(self.pool(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # linear over channels: a 1x1 convolution
        return self.norm(x)
