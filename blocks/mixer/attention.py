"""Attention of all positions to a shrunken map."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from blocks.kv import KV, Kv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("attention")
class Attention(nn.Module):
    """Multi-head attention; queries are all positions, keys and values those that `kv` leaves.
    Shapes: (B, C, H, W) -> (B, C, H, W); head dim C / heads. `output` is the linear layer after the heads are merged.
    Needs: C divisible by heads. Source: arXiv 2105.15203 (SegFormer's efficient self-attention)."""

    norm = "layernorm"
    layer_scale = None

    def __init__(self, dim: int, *, heads: int = 1, kv: Kv = Option("conv"), output: Literal["linear", "identity"] = "linear"):
        super().__init__()
        if heads < 1 or dim % heads:
            raise ValueError(f"mixer attention: {dim} channels do not divide into {heads} heads")
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.shrink = KV.build(kv, dim)
        self.key_value = nn.Linear(dim, 2 * dim)  # one product for both; rows: keys, then values
        self.output = nn.Linear(dim, dim) if output == "linear" else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        # (B, H, W, C) -> (B, heads, H*W, C/heads)
        query = self.query(tokens).flatten(1, 2).unflatten(2, (self.heads, -1)).transpose(1, 2)
        # (B, M, 2C) -> 2 x (B, heads, M, C/heads)
        key, value = self.key_value(self.shrink(x)).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        mixed = self.output(mixed.transpose(1, 2).reshape(tokens.shape))  # (B, heads, H*W, C/heads) -> (B, H, W, C)
        return mixed.permute(0, 3, 1, 2)
