"""The full convolution."""

from torch import nn

from blocks.activation import Activation
from blocks.checks import check_odd
from blocks.conv import CONV
from blocks.conv_norm_activation import ConvNormActivation
from blocks.norm import Norm
from registry import Option


@CONV.register("dense")
class DenseConv(ConvNormActivation):
    """Every output channel reads every input channel, or those of its own group.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Needs: odd kernel, groups that divide both numbers of channels."""

    def __init__(
        self,
        channels: int,
        dim: int,
        stride: int = 1,
        norm: Norm = Option("batchnorm"),
        activation: Activation = Option("silu"),
        *,
        kernel: int = 3,
        groups: int = 1,
    ):
        check_odd("conv dense", "kernel", kernel)
        if groups < 1 or channels % groups or dim % groups:
            raise ValueError(f"conv dense: {channels} and {dim} channels do not divide into {groups} groups")
        conv = nn.Conv2d(channels, dim, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=False)
        super().__init__(conv, dim, norm=norm, activation=activation)
