"""Fusion by a weighted sum."""

import torch
from torch import nn

from blocks.fusion import FUSION


@FUSION.register("sum")
class SumFusion(nn.Module):
    """Add the maps, each with one learned weight (initially 1). After linear projections it can express whatever `concat` can:
    nothing non-linear stands between them.
    Shapes: count x (B, D, H, W) -> (B, D, H, W). Source: BoostFormer (final-project-level3-cv-16)."""

    def __init__(self, count: int, width: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count))

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        fused = self.weight[0] * maps[0]
        for weight, x in zip(self.weight[1:], maps[1:], strict=True):
            fused = torch.addcmul(fused, weight, x)
        return fused
