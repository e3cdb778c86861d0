"""Patch embedding by one convolution."""

from typing import Literal

import torch
from torch import nn

from blocks.embed import EMBED
from blocks.norm import NORM, Norm
from registry import Option


@EMBED.register("conv")
class ConvEmbed(nn.Module):
    """Patches, overlapping where the kernel is larger than the stride: a strided convolution, and a norm after it or before.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Source: arXiv 2105.15203 (SegFormer)."""

    def __init__(
        self,
        channels: int,
        dim: int,
        kernel: int,
        stride: int,
        padding: int | None = None,
        *,
        norm: Norm = Option("layernorm"),
        order: Literal["conv_norm", "norm_conv"] = "conv_norm",
    ):
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.norm_first = order == "norm_conv"
        self.conv = nn.Conv2d(channels, dim, kernel, stride=stride, padding=padding)
        self.norm = NORM.build(norm, channels=channels if self.norm_first else dim)

    def extra_repr(self) -> str:
        return f"norm_first={self.norm_first}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(self.norm(x)) if self.norm_first else self.norm(self.conv(x))
