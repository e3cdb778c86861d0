"""Depthwise convolution as a token mixer."""

from typing import Literal

import torch
from torch import nn

from blocks.checks import check_odd
from blocks.depthwise import depthwise_conv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("depthwise")
class DepthwiseMixer(nn.Module):
    """Mix each channel's neighbourhood by weights of its own.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd kernel. Source: arXiv 2111.11418 (PoolFormer's ablation of its mixer)."""

    norm = "batchnorm"
    join = Option("layer_scale")
    reads_neighbours = True

    def __init__(self, dim: int, *, kernel: int = 3, bias: Literal["all", "none"] = "all"):
        super().__init__()
        check_odd("mixer depthwise", "kernel", kernel)
        self.conv = depthwise_conv(dim, kernel, bias=bias == "all")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)
