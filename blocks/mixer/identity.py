"""No mixing."""

import torch
from torch import nn

from blocks.mixer import MIXER
from registry import Option


@MIXER.register("identity")
class IdentityMixer(nn.Module):
    """Mix nothing: the branch is the input. What other layers mix on their own shows against it.
    Shapes: (B, C, H, W) -> (B, C, H, W). No parameters. Source: arXiv 2210.13452 (IdentityFormer)."""

    norm = "batchnorm"
    join = Option("layer_scale")
    reads_neighbours = False

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
