"""The plain feed-forward network of transformers."""

from typing import Literal

import torch
from torch import nn

from blocks.activation import ACTIVATION
from blocks.checks import check_positive
from blocks.ffn import FFN
from registry import Option


@FFN.register("mlp")
class Mlp(nn.Module):
    """Widen the channels `ratio` times, activate, narrow again, each position by itself.
    Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 1706.03762."""

    residual = True
    reads_neighbours = False

    def __init__(self, dim: int, activation: Option = Option("gelu"), *, ratio: int = 4, bias: Literal["all", "none"] = "all"):
        super().__init__()
        check_positive("ffn mlp", "ratio", ratio)
        self.expand = nn.Linear(dim, ratio * dim, bias=bias == "all")
        self.activation = ACTIVATION.build(activation)
        self.reduce = nn.Linear(ratio * dim, dim, bias=bias == "all")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.expand(x.permute(0, 2, 3, 1))  # (B, C, H, W) -> (B, H, W, ratio * C): a 1x1 convolution
        return self.reduce(self.activation(x)).permute(0, 3, 1, 2)
