"""A frozen random matrix over positions as a token mixer."""

from collections.abc import Sequence

import torch
from torch import nn

from blocks.mixer import MIXER
from blocks.mixer.spatial_fc import PositionMatrix


@MIXER.register("random")
class RandomMixer(PositionMatrix):
    """Each position becomes an average of all positions with weights that are drawn once and never trained: the softmax of uniform
    numbers, row by row. They are stored and counted with the parameters, and apart as `frozen_params_m`.
    Shapes: (B, C, H, W) -> (B, C, H, W), H and W those of the grid. Source: arXiv 2210.13452 (RandFormer)."""

    name = "random"

    def __init__(self, dim: int, grid: Sequence[int]):
        super().__init__(grid)
        positions = self.grid[0] * self.grid[1]
        self.weight = nn.Parameter(torch.rand(positions, positions).softmax(1), requires_grad=False)
