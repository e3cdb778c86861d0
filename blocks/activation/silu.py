"""SiLU."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("silu")
class Silu(nn.SiLU):
    """The input times its own sigmoid. Shapes: any -> the same. Source: arXiv 1702.03118."""

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)
