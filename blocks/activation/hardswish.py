"""Hardswish."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("hardswish")
class Hardswish(nn.Hardswish):
    """The input times a ramp from 0 at -3 to 1 at 3, a piecewise form of SiLU. Shapes: any -> the same.
    Source: arXiv 1905.02244 (MobileNetV3)."""

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)
