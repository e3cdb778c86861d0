"""StarReLU."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.activation import ACTIVATION


@ACTIVATION.register("star_relu")
class StarRelu(nn.Module):
    """scale * relu(x) ** 2 + bias, both learned, one number each, initially 1 and 0. Shapes: any -> the same.
    Source: arXiv 2210.13452 (MetaFormer Baselines)."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.scale * F.relu(x).square()).add_(self.bias)  # not addcmul: its backward pass multiplies once more
