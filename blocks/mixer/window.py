"""Attention inside windows."""

import torch

from blocks.attend import AttentionBias, AttentionLayers
from blocks.checks import check_heads, check_positive
from blocks.mixer import MIXER
from blocks.windows import attend_in_windows
from registry import Option


@MIXER.register("window")
class WindowAttention(AttentionLayers):
    """Multi-head attention of each position to those of its own square window of `size`; windows do not overlap, are not shifted
    and know no relative positions. What pads the last windows of a map is never read; a window larger than the map is the map.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: C divisible by heads. Source: arXiv 2103.14030 (Swin), without shift and bias."""

    norm = "layernorm"
    join = Option("plain")
    reads_neighbours = True

    def __init__(self, dim: int, *, size: int = 7, heads: int = 1, bias: AttentionBias = "all"):
        check_heads("window", dim, heads)
        check_positive("mixer window", "size", size)
        super().__init__(dim, heads, bias=bias)
        self.size = size

    def extra_repr(self) -> str:
        return f"size={self.size}, {super().extra_repr()}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        key, value = self.key_value(tokens).chunk(2, dim=3)
        mixed = attend_in_windows(self.query(tokens), key, value, heads=self.heads, window=(self.size, self.size))
        return self.output(mixed).permute(0, 3, 1, 2)
