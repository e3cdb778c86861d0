"""Attention of channels to channels."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from blocks.attend import AttentionBias
from blocks.checks import check_heads
from blocks.depthwise import depthwise_conv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("channel_attention")
class ChannelAttention(nn.Module):
    """In each head channels attend to channels: queries and keys are maps of one channel, normalised to length 1 over all
    positions and compared under a learned temperature. Linear in the number of positions. It does not tell positions apart: where
    `local` is depthwise, a 3x3 depthwise convolution is added to the map first. `bias` is that of `attention`.
    Shapes: (B, C, H, W) -> (B, C, H, W). Needs: C divisible by heads. Source: arXiv 2106.09681 (XCiT) and 2206.10589 (EdgeNeXt,
    where convolutions come before it); final-project-level3-cv-16 had it in SegFormer, with bias output and one
    more linear layer."""

    norm = "layernorm"
    join = Option("plain")

    def __init__(
        self, dim: int, *, heads: int = 8, local: Literal["identity", "depthwise"] = "identity", bias: AttentionBias = "all"
    ):
        super().__init__()
        check_heads("channel_attention", dim, heads)
        self.heads = heads
        self.reads_neighbours = local == "depthwise"
        self.local = depthwise_conv(dim, 3) if local == "depthwise" else None
        self.query_key_value = nn.Linear(dim, 3 * dim, bias=bias == "all")
        self.temperature = nn.Parameter(torch.ones(heads))
        self.output = nn.Linear(dim, dim, bias=bias != "none")

    def extra_repr(self) -> str:
        return f"heads={self.heads}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x if self.local is None else x + self.local(x)
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        # (B, N, 3C) -> 3 x (B, heads, C / heads, N)
        query, key, value = self.query_key_value(tokens).flatten(1, 2).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 4, 1)
        query, key = F.normalize(query, dim=3) * self.temperature.view(-1, 1, 1), F.normalize(key, dim=3)
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)  # scores (B, heads, C / heads, C / heads)
        return self.output(mixed.flatten(1, 2).mT.reshape(tokens.shape)).permute(0, 3, 1, 2)
