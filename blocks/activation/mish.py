"""Mish."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("mish")
class Mish(nn.Mish):
    """The input times the hyperbolic tangent of its softplus. Shapes: any -> the same. Source: arXiv 1908.08681."""

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)
