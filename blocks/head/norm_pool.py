"""Normalise the map, then average it."""

import torch
from torch import nn

from blocks.head import HEAD
from blocks.norm import NORM
from registry import Option


@HEAD.register("norm_pool")
class NormPoolHead(nn.Module):
    """The network's norm on the map, its mean over positions, a linear layer. Shapes: (B, C, H, W) -> (B, classes).
    Source: PoolFormer as its authors wrote it (sail-sg/poolformer). timm has the other order, `pool_norm`: equal shapes of weights,
    other logits."""

    def __init__(self, dim: int, classes: int, norm: Option = Option("layernorm")):
        super().__init__()
        self.norm = NORM.build(norm, channels=dim)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.norm(x).mean((2, 3)))
