"""No position embedding."""

import torch
from torch import nn

from blocks.position import POSITION


@POSITION.register("identity")
class NoPosition(nn.Module):
    """Leave the map as it is. Shapes: (B, C, H, W) -> (B, C, H, W). No parameters."""

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
