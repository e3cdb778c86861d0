"""GELU."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("gelu")
class Gelu(nn.GELU):
    """The Gaussian error linear unit, by the error function. Shapes: any -> the same. Source: arXiv 1606.08415."""

    def __init__(self):
        super().__init__()
