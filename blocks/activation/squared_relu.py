"""Squared ReLU."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.activation import ACTIVATION


@ACTIVATION.register("squared_relu")
class SquaredRelu(nn.Module):
    """The square of the positive part. Shapes: any -> the same. Source: arXiv 2109.08668 (Primer)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(x).square()
