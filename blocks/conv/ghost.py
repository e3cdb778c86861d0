"""The Ghost module."""

import torch
from torch import nn

from blocks.activation import Activation
from blocks.checks import check_odd
from blocks.conv import CONV
from blocks.conv.dense import DenseConv
from blocks.conv.depthwise import DepthwiseConv
from blocks.norm import Norm
from registry import Option


@CONV.register("ghost")
class GhostConv(nn.Module):
    """Half of the output channels by a 1x1, the other half by a depthwise convolution of those. With a stride the 1x1 reads only
    the positions that remain, as in the source.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Needs: odd kernel, even dim. Source: arXiv 1911.11907 (GhostNet)."""

    def __init__(
        self,
        channels: int,
        dim: int,
        stride: int = 1,
        norm: Norm = Option("batchnorm"),
        activation: Activation = Option("silu"),
        *,
        kernel: int = 3,
    ):
        super().__init__()
        check_odd("conv ghost", "kernel", kernel)
        if dim % 2:
            raise ValueError(f"conv ghost: {dim} channels do not divide into halves")
        self.primary = DenseConv(channels, dim // 2, stride, norm, activation, kernel=1)
        self.cheap = DepthwiseConv(dim // 2, dim // 2, 1, norm, activation, kernels=(kernel,))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        half = self.primary(x)
        return torch.cat([half, self.cheap(half)], dim=1)
