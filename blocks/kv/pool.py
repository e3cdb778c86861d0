"""Keys and values from adaptive pooling."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.checks import check_positive
from blocks.kv import KV


@KV.register("pool")
class PoolKv(nn.Module):
    """Average the map down to size x size tokens, whatever its size, then norm and GELU: no weights but the norm's.
    Shapes: (B, C, H, W) -> (B, size * size, C); a smaller map grows. Source: BoostFormer (final-project-level3-cv-16)."""

    def __init__(self, dim: int, *, size: int = 7):
        super().__init__()
        check_positive("kv pool", "size", size)
        self.pool = nn.AdaptiveAvgPool2d(size)
        self.norm = nn.LayerNorm(dim, eps=1e-5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(x).permute(0, 2, 3, 1).flatten(1, 2)  # (B, C, P, P) -> (B, P*P, C)
        return F.gelu(self.norm(x))
