"""The plain residual connection."""

import torch
from torch import nn

from blocks.join import JOIN


@JOIN.register("plain")
class PlainJoin(nn.Module):
    """Add the branch. Shapes: 2 x (B, C, H, W) -> (B, C, H, W). No parameters. Source: arXiv 1512.03385 (ResNet)."""

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        return x + branch
