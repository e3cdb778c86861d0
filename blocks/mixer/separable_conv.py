"""Separable convolution as a token mixer."""

import torch
from torch import nn

from blocks.activation import ACTIVATION
from blocks.checks import check_odd, check_positive
from blocks.depthwise import depthwise_conv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("separable_conv")
class SeparableConv(nn.Module):
    """Widen the channels `expansion` times, activate, convolve each in space, narrow again; no biases.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: odd kernel. Source: arXiv 2210.13452 (ConvFormer)."""

    norm = "layernorm"
    join = Option("plain")
    reads_neighbours = True

    def __init__(self, dim: int, activation: Option = Option("star_relu"), *, kernel: int = 7, expansion: int = 2):
        super().__init__()
        check_odd("mixer separable_conv", "kernel", kernel)
        check_positive("mixer separable_conv", "expansion", expansion)
        hidden = expansion * dim
        self.expand = nn.Linear(dim, hidden, bias=False)
        self.activation = ACTIVATION.build(activation)
        self.depthwise = depthwise_conv(hidden, kernel, bias=False)
        self.reduce = nn.Linear(hidden, dim, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.activation(self.expand(x.permute(0, 2, 3, 1)))  # (B, H, W, expansion * C)
        return self.reduce(self.depthwise(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
