"""ReLU."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("relu")
class Relu(nn.ReLU):
    """The positive part. Shapes: any -> the same. Source: arXiv 1803.08375."""

    def __init__(self, inplace: bool = False):
        super().__init__(inplace)
