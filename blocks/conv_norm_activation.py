"""A convolution, a norm and an activation: the layer that convolutional networks are made of."""

import torch
from torch import nn

from blocks.activation import ACTIVATION, Activation
from blocks.norm import NORM, Norm


class ConvNormActivation(nn.Module):
    """`conv`, which needs no bias, then the norm of its `dim` channels, then the activation, in place.
    Shapes: those of `conv`, whose output nothing else may read."""

    def __init__(self, conv: nn.Module, dim: int, *, norm: Norm, activation: Activation):
        super().__init__()
        self.conv = conv
        self.norm = NORM.build(norm, channels=dim)
        self.activation = ACTIVATION.build(activation, inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(self.conv(x)))
