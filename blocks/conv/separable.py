"""The depthwise separable convolution."""

import torch
from torch import nn

from blocks.activation import Activation
from blocks.conv import CONV
from blocks.conv.dense import DenseConv
from blocks.conv.depthwise import DepthwiseConv
from blocks.norm import Norm
from registry import Option


@CONV.register("separable")
class SeparableConv(nn.Module):
    """A depthwise convolution, of one kernel or of several, then a 1x1 over channels, each with a norm and an activation.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Needs: odd kernels. Source: arXiv 1704.04861 (MobileNets)."""

    def __init__(
        self,
        channels: int,
        dim: int,
        stride: int = 1,
        norm: Norm = Option("batchnorm"),
        activation: Activation = Option("silu"),
        *,
        kernels: tuple[int, ...] = (3,),
    ):
        super().__init__()
        self.depthwise = DepthwiseConv(channels, channels, stride, norm, activation, kernels=kernels)
        self.pointwise = DenseConv(channels, dim, 1, norm, activation, kernel=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))
