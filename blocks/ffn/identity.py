"""No feed-forward network."""

import torch
from torch import nn

from blocks.ffn import FFN


@FFN.register("identity")
class IdentityFfn(nn.Module):
    """The block has its token mixer only. Shapes: (B, C, H, W) -> (B, C, H, W). No parameters."""

    residual = False
    reads_neighbours = False

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
