"""Average the map, then normalise the mean."""

import torch
from torch import nn

from blocks.head import HEAD


@HEAD.register("pool_norm")
class PoolNormHead(nn.Module):
    """The map's mean over positions, layer norm (eps 1e-6) whatever the network's norm, a linear layer.
    Shapes: (B, C, H, W) -> (B, classes). Source: arXiv 2210.13452 (MetaFormer Baselines), and timm for the whole family."""

    def __init__(self, dim: int, classes: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.classifier = nn.Linear(dim, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.norm(x.mean((2, 3))))
