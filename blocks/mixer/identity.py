"""No mixing."""

import torch
from torch import nn

from blocks.mixer import MIXER


@MIXER.register("identity")
class IdentityMixer(nn.Module):
    """Mix nothing: the branch is the input. What other layers mix on their own shows against it.
    Shapes: (B, C, H, W) -> (B, C, H, W). No parameters. Source: arXiv 2210.13452 (IdentityFormer)."""

    norm = "batchnorm"
    layer_scale = 1e-5

    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
