"""Depthwise convolution as a token mixer."""

import torch
from torch import nn

from blocks.mixer import MIXER


@MIXER.register("depthwise")
class DepthwiseMixer(nn.Module):
    """Mix each channel's neighbourhood by weights of its own.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd kernel. Source: arXiv 2210.13452 (the convolutional MetaFormer)."""

    norm = "batchnorm"
    layer_scale = 1e-5

    def __init__(self, dim: int, *, kernel: int = 3):
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"mixer depthwise: kernel is {kernel}, but must be odd to keep the map's size")
        self.conv = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)
