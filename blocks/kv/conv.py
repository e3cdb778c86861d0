"""Keys and values from a strided convolution."""

import torch
from torch import nn

from blocks.checks import check_positive
from blocks.kv import KV


@KV.register("conv")
class ConvKv(nn.Module):
    """Shrink the map by a convolution whose kernel equals its stride, then normalise; reduction 1 keeps every token as it is.
    Shapes: (B, C, H, W) -> (B, (H // R) * (W // R), C). Needs: H, W >= R. Source: arXiv 2105.15203 (SegFormer)."""

    def __init__(self, dim: int, *, reduction: int = 1):
        super().__init__()
        check_positive("kv conv", "reduction", reduction)
        self.reduce = nn.Conv2d(dim, dim, reduction, stride=reduction) if reduction > 1 else nn.Identity()
        self.norm = nn.LayerNorm(dim, eps=1e-5) if reduction > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.reduce(x).permute(0, 2, 3, 1).flatten(1, 2)  # (B, C, h, w) -> (B, h*w, C)
        return self.norm(x)
