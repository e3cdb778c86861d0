"""A classification head with a hidden layer."""

import torch
from torch import nn

from blocks.activation import ACTIVATION
from blocks.head import HEAD


@HEAD.register("mlp")
class MlpHead(nn.Module):
    """Mean over positions, layer norm (eps 1e-6), a hidden layer four times as wide with squared ReLU and a layer norm, classes.
    Shapes: (B, C, H, W) -> (B, classes). Source: arXiv 2210.13452 (ConvFormer and CAFormer)."""

    def __init__(self, dim: int, classes: int):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.expand = nn.Linear(dim, 4 * dim)
        self.activation = ACTIVATION["squared_relu"]()
        self.hidden_norm = nn.LayerNorm(4 * dim, eps=1e-6)
        self.classifier = nn.Linear(4 * dim, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = self.activation(self.expand(self.norm(x.mean((2, 3)))))
        return self.classifier(self.hidden_norm(hidden))
