"""Fusion by a convolution over all maps."""

import torch
from torch import nn

from blocks.fusion import FUSION


@FUSION.register("concat")
class ConcatFusion(nn.Module):
    """Concatenate the maps, coarsest first, and mix their channels by a 1x1 convolution without bias.
    Shapes: count x (B, D, H, W) -> (B, D, H, W). Source: arXiv 2105.15203 (SegFormer's all-MLP decoder)."""

    def __init__(self, count: int, width: int):
        super().__init__()
        self.fuse = nn.Conv2d(count * width, width, 1, bias=False)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        return self.fuse(torch.cat(maps[::-1], dim=1))
