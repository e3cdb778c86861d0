"""ResScale."""

import torch
from torch import nn

from blocks.join import JOIN


@JOIN.register("residual_scale")
class ResidualScaleJoin(nn.Module):
    """Add the branch to the map times a learned scale for each channel, initially 1: the skip path is scaled, not the branch.
    Shapes: 2 x (B, C, H, W) -> (B, C, H, W). Source: arXiv 2110.09456 (NormFormer)."""

    def __init__(self, dim: int):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(dim))

    def forward(self, x: torch.Tensor, branch: torch.Tensor) -> torch.Tensor:
        return torch.addcmul(branch, x, self.scale.view(-1, 1, 1))
