"""Leaky ReLU."""

from torch import nn

from blocks.activation import ACTIVATION


@ACTIVATION.register("leaky_relu")
class LeakyRelu(nn.LeakyReLU):
    """The positive part, and a tenth of the negative one. Shapes: any -> the same. Source: Maas et al. 2013 (Rectifier
    Nonlinearities Improve Neural Network Acoustic Models), with the slope of Darknet and YOLOX."""

    def __init__(self, inplace: bool = False):
        super().__init__(0.1, inplace)
