"""Patch embedding by one convolution."""

import torch
from torch import nn

from blocks.embed import EMBED
from blocks.norm import NORM


@EMBED.register("conv")
class ConvEmbed(nn.Module):
    """Overlapping patches: a strided convolution, then a norm over channels.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Source: arXiv 2105.15203 (SegFormer)."""

    def __init__(self, channels: int, dim: int, kernel: int, stride: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel, stride=stride, padding=kernel // 2)
        self.norm = NORM["layernorm"](dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))
