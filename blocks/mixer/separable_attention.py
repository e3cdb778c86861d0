"""Attention of all positions to one context vector."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from blocks.kv import KV, Kv
from blocks.mixer import MIXER
from registry import Option


@MIXER.register("separable_attention")
class SeparableAttention(nn.Module):
    """Each position's score, a softmax over positions, weighs the keys into one context vector, which then scales every position's
    value: linear in their number. Scores and keys come from the positions that `kv` leaves.
    Shapes: (B, C, H, W) -> (B, C, H, W). Source: arXiv 2206.02680 (MobileViT v2); in SegFormer final-project-level3-cv-16."""

    norm = "layernorm"
    join = Option("plain")

    def __init__(self, dim: int, *, kv: Kv = Option("conv"), output: Literal["linear", "identity"] = "linear"):
        super().__init__()
        self.reads_neighbours = kv.name != "conv" or kv.args.get("reduction", 1) > 1
        self.shrink = KV.build(kv, dim=dim)
        self.score = nn.Linear(dim, 1)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim) if output == "linear" else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.shrink(x)  # (B, M, C)
        context = self.score(tokens).softmax(1).mT @ self.key(tokens)  # (B, 1, M) @ (B, M, C)
        mixed = F.relu(self.value(x.permute(0, 2, 3, 1))) * context.unsqueeze(1)  # (B, H, W, C)
        return self.output(mixed).permute(0, 3, 1, 2)
