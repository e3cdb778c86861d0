"""The feed-forward network with depthwise convolutions inside."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.checks import check_kernels, check_positive
from blocks.depthwise import DepthwiseSplit
from blocks.ffn import FFN
from blocks.norm import NORM, Norm
from registry import Option


@FFN.register("mix")
class MixFfn(nn.Module):
    """Widen the channels `ratio` times, convolve each in space, GELU, narrow again. The zero padding tells positions apart, so
    the network needs no positional encoding. Kernels (3, 5) with batchnorm are the Mix-CFN of BoostFormer.
    Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 2105.15203 (SegFormer's Mix-FFN)."""

    residual = True
    reads_neighbours = True

    def __init__(self, dim: int, *, ratio: int = 4, kernels: tuple[int, ...] = (3,), norm: Norm = Option("identity")):
        super().__init__()
        check_positive("ffn mix", "ratio", ratio)
        check_kernels("ffn mix", kernels)
        hidden = ratio * dim
        self.expand = nn.Linear(dim, hidden)
        self.expand_norm = NORM.build(norm, channels=hidden)
        self.depthwise = DepthwiseSplit(hidden, kernels)
        self.depthwise_norm = NORM.build(norm, channels=hidden)
        self.reduce = nn.Linear(hidden, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.expand(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # linear over channels: a 1x1 convolution
        x = self.depthwise_norm(self.depthwise(self.expand_norm(x)))
        return self.reduce(F.gelu(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
