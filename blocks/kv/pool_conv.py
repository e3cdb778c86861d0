"""Keys and values from adaptive pooling and a 1x1 convolution."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.checks import check_positive
from blocks.kv import KV


@KV.register("pool_conv")
class PoolConvKv(nn.Module):
    """Average the map down to size x size tokens, mix their channels, then norm and GELU.
    Shapes: (B, C, H, W) -> (B, size * size, C); a smaller map grows. Source: arXiv 2106.13797 (PVT v2, linear attention)."""

    def __init__(self, dim: int, *, size: int = 7):
        super().__init__()
        check_positive("kv pool_conv", "size", size)
        self.pool = nn.AdaptiveAvgPool2d(size)
        self.project = nn.Linear(dim, dim)  # a 1x1 convolution, on tokens
        self.norm = nn.LayerNorm(dim, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x).permute(0, 2, 3, 1).flatten(1, 2)  # (B, C, P, P) -> (B, P*P, C)
        return F.gelu(self.norm(self.project(x)))
