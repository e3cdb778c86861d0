"""A linear layer over positions as a token mixer."""

from collections.abc import Sequence

import torch
from torch import nn

from blocks.mixer import MIXER
from registry import Option


class PositionMatrix(nn.Module):
    """Base of mixers whose `weight` (N, N) holds one number for each pair of positions, the same for all channels; N is H * W.
    Shapes: (B, C, H, W) -> (B, C, H, W), H and W those of the grid alone: ValueError otherwise."""

    norm = "groupnorm"
    join = Option("layer_scale")
    reads_neighbours = True
    name: str
    weight: nn.Parameter

    def __init__(self, grid: Sequence[int]):
        super().__init__()
        self.grid = (grid[0], grid[1])

    def extra_repr(self) -> str:
        return f"grid={self.grid}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[2:] != self.grid:
            given = f"given a map of {tuple(x.shape[2:])}; allowed: {self.grid}, the map at the image size that it was built for"
            raise ValueError(f"mixer {self.name}: {given}")
        tokens = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, N, C)
        return (self.weight @ tokens).unflatten(1, self.grid).permute(0, 3, 1, 2)


@MIXER.register("spatial_fc")
class SpatialFc(PositionMatrix):
    """Each position becomes a learned linear combination of all positions, no bias.
    Shapes: (B, C, H, W) -> (B, C, H, W), H and W those of the grid. Source: arXiv 2111.11418 (MetaFormer with spatial FC)."""

    name = "spatial_fc"

    def __init__(self, dim: int, grid: Sequence[int]):
        super().__init__(grid)
        positions = self.grid[0] * self.grid[1]
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(positions, positions), std=0.02))
