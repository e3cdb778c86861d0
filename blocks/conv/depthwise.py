"""The depthwise convolution alone, of one kernel or of several."""

from blocks.activation import Activation
from blocks.checks import check_kernels
from blocks.conv import CONV
from blocks.conv_norm_activation import ConvNormActivation
from blocks.depthwise import DepthwiseSplit
from blocks.norm import Norm
from registry import Option


@CONV.register("depthwise")
class DepthwiseConv(ConvNormActivation):
    """Each channel's neighbourhood by filters of its own, and no convolution over channels behind it. Several kernels share the
    channels, the smallest first (mixed depthwise convolution); one norm stands behind all of them.
    Shapes: (B, channels, H, W) -> (B, dim, h, w). Needs: odd kernels, dim a multiple of channels.
    Source: arXiv 1907.09595 (MixConv); in YOLOX final-project-level3-cv-19."""

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
        check_kernels("conv depthwise", kernels)
        if dim % channels:
            raise ValueError(f"conv depthwise: {channels} channels cannot become {dim}; allowed: a multiple of {channels}")
        conv = DepthwiseSplit(channels, kernels, stride=stride, multiplier=dim // channels, bias=False)
        super().__init__(conv, dim, norm=norm, activation=activation)
