"""A learned table of positions."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from blocks.adopted import Adopted
from blocks.position import POSITION


@POSITION.register("learned")
class LearnedPosition(nn.Module):
    """Add a learned vector to each position. For a map of another size the table is resampled (bicubic, antialiased).
    Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 2010.11929 (ViT)."""

    undecayed = True  # weight decay would pull positions together

    def __init__(self, dim: int, grid: Sequence[int]):
        super().__init__()
        self.table = nn.Parameter(torch.empty(1, dim, *grid))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + resampled(self.table, x.shape[2:])

    def adopted(self, source: nn.Module) -> Adopted | None:
        """A table of another grid, resampled as for a map of another size. Not exact: the positions lie closer or wider."""
        if not isinstance(source, LearnedPosition) or source.table.shape[1] != self.table.shape[1]:
            return None
        if source.table.shape == self.table.shape:
            return None
        old, new = (f"{table.shape[2]}x{table.shape[3]}" for table in (source.table, self.table))
        return Adopted({"table": resampled(source.table.detach(), self.table.shape[2:])}, f"resampled from {old} to {new}")


def resampled(table: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
    """A table (1, C, H, W) brought to another grid; itself where it has that grid."""
    if tuple(table.shape[2:]) == tuple(grid):
        return table
    return F.interpolate(table, tuple(grid), mode="bicubic", antialias=True, align_corners=False)
