"""Attention inside an inverted residual."""

import torch
from torch import nn
from torch.nn import functional as F

from blocks.checks import check_heads, check_odd, check_positive
from blocks.depthwise import depthwise_conv
from blocks.mixer import MIXER
from blocks.norm import NORM
from blocks.windows import attend_in_windows
from registry import Option


@MIXER.register("inverted_residual")
class InvertedResidual(nn.Module):
    """The inverted residual of mobile networks with attention at its widest: values have `expansion` times the channels, are
    attended to inside windows of `size`, convolved in space over a skip, and narrowed again.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: C divisible by heads, odd kernel. Source: arXiv 2301.01146 (EMO's iRMB). The
    branch of final-project-level3-cv-16 that tried it in SegFormer had it for the whole block, feed-forward network included, and
    read keys and values from an average pooling instead of windows; its cost is another."""

    norm = "layernorm"
    join = Option("plain")
    reads_neighbours = True

    def __init__(self, dim: int, *, heads: int = 1, size: int = 7, expansion: int = 2, kernel: int = 3):
        super().__init__()
        check_heads("inverted_residual", dim, heads)
        check_odd("mixer inverted_residual", "kernel", kernel)
        check_positive("mixer inverted_residual", "size", size)
        check_positive("mixer inverted_residual", "expansion", expansion)
        hidden = expansion * dim
        self.heads, self.size = heads, size
        self.query_key = nn.Linear(dim, 2 * dim, bias=False)
        self.value = nn.Linear(dim, hidden, bias=False)
        self.depthwise = depthwise_conv(hidden, kernel, bias=False)
        self.depthwise_norm = NORM["batchnorm"](hidden)
        self.reduce = nn.Linear(hidden, dim, bias=False)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, size={self.size}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        query, key = self.query_key(tokens).chunk(2, dim=3)
        value = F.gelu(self.value(tokens))  # (B, H, W, expansion * C)
        window = (self.size, self.size)
        mixed = attend_in_windows(query, key, value, heads=self.heads, window=window).permute(0, 3, 1, 2)
        mixed = mixed + F.silu(self.depthwise_norm(self.depthwise(mixed)))
        return self.reduce(mixed.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
