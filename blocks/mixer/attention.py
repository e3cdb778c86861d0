"""Attention of all positions to a shrunken map."""

from typing import Literal

import torch

from blocks.attend import AttentionBias, AttentionLayers, attend
from blocks.checks import check_heads
from blocks.kv import KV, Kv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("attention")
class Attention(AttentionLayers):
    """Multi-head attention; queries are all positions, keys and values those that `kv` leaves.
    Shapes: (B, C, H, W) -> (B, C, H, W); head dim C / heads. `output` is the linear layer after the heads are merged;
    `bias` says which of the linear layers have one. With kv conv and reduction 1 it is plain self-attention.
    Needs: C divisible by heads. Source: arXiv 2105.15203 (SegFormer's efficient self-attention)."""

    norm = "layernorm"
    join = Option("plain")

    def __init__(
        self,
        dim: int,
        *,
        heads: int = 1,
        kv: Kv = Option("conv"),
        output: Literal["linear", "identity"] = "linear",
        bias: AttentionBias = "all",
    ):
        check_heads("attention", dim, heads)
        super().__init__(dim, heads, bias=bias, output=output)
        self.shrink = KV.build(kv, dim=dim)
        self.reads_neighbours = kv.name != "conv" or kv.args.get("reduction", 1) > 1

    def forward(self, x: torch.Tensor, placed: torch.Tensor | None = None, real: torch.Tensor | None = None) -> torch.Tensor:
        tokens = x.permute(0, 2, 3, 1)  # (B, H, W, C)
        if placed is not None:
            where = placed.permute(0, 2, 3, 1).flatten(1, 2)
            mixed = self.read(where, self.shrink(placed), self.shrink(x), mask=real)
            return mixed.view(tokens.shape).permute(0, 3, 1, 2)
        key, value = self.key_value(self.shrink(x)).chunk(2, dim=2)  # 2 x (B, M, C)
        mixed = attend(self.query(tokens).flatten(1, 2), key, value, heads=self.heads)
        return self.output(mixed.view(tokens.shape)).permute(0, 3, 1, 2)
