"""The decoder of PET: point queries read each other and the encoder's map, each window of them by itself."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from blocks.attend import AttentionLayers
from blocks.ffn import FFN, Ffn
from registry import Option

RELU = Option("relu")


@dataclass(frozen=True)
class DecoderArch:
    """`sharing` AA: both layers have one set of weights. `readout` every: norm and heads read what each layer leaves, as published,
    though only what they say of the last is used; last: of the last alone, with the same output. One layer has only every."""

    layers: Literal[1, 2] = 2
    ffn: Ffn = Option("mlp", {"ratio": 2})
    sharing: Literal["none", "AA"] = "none"
    readout: Literal["every", "last"] = "every"

    def __post_init__(self):
        if self.layers == 1 and (self.sharing, self.readout) != ("none", "every"):
            given = f"sharing '{self.sharing}' and readout '{self.readout}'"
            raise ValueError(f"decoder: given {given} for one layer; allowed: none and every")


@dataclass(frozen=True)
class Memory:
    """What queries read, window by window: `tokens` (N, M, C), the same with the code of positions added, and which of them (N, M)
    may be read (None: all)."""

    tokens: torch.Tensor
    placed: torch.Tensor
    readable: torch.Tensor | None


class DecoderLayer(nn.Module):
    """x = norm(x + branch(x)) for attention among the queries, attention to the memory and the FFN.
    Shapes: (N, T, C) -> (N, T, C)."""

    def __init__(self, dim: int, heads: int, ffn: Ffn):
        super().__init__()
        self.self_attention = AttentionLayers(dim, heads)
        self.self_norm = nn.LayerNorm(dim)
        self.cross_attention = AttentionLayers(dim, heads)
        self.cross_norm = nn.LayerNorm(dim)
        self.ffn = FFN.build(ffn, dim=dim, activation=RELU)
        self.ffn_norm = nn.LayerNorm(dim) if self.ffn.residual else nn.Identity()

    def forward(self, x: torch.Tensor, code: torch.Tensor, memory: Memory, window: tuple[int, int]) -> torch.Tensor:
        placed = x + code
        x = self.self_norm(x + self.self_attention.read(placed, placed, x))
        x = self.cross_norm(x + self.cross_attention.read(x + code, memory.placed, memory.tokens, mask=memory.readable))
        if not self.ffn.residual:
            return x
        branch = self.ffn(x.unflatten(1, window).permute(0, 3, 1, 2))  # (N, T, C) -> (N, C, h, w)
        return self.ffn_norm(x + branch.permute(0, 2, 3, 1).flatten(1, 2))


class Decoder(nn.Module):
    """The layers, then a norm. Shapes: windows of T queries (N, T, C) -> a list of the same, the last layer's last."""

    def __init__(self, arch: DecoderArch, dim: int, heads: int):
        super().__init__()
        different = 1 if arch.sharing == "AA" else arch.layers
        self.layers = nn.ModuleList(DecoderLayer(dim, heads, arch.ffn) for _ in range(different))
        self.norm = nn.LayerNorm(dim)
        self.order = [n % different for n in range(arch.layers)]
        self.every = arch.readout == "every"

    def forward(self, x: torch.Tensor, code: torch.Tensor, memory: Memory, window: tuple[int, int]) -> list[torch.Tensor]:
        left = []
        for n in self.order:
            x = self.layers[n](x, code, memory, window)
            left.append(x)
        return [self.norm(x) for x in (left if self.every else left[-1:])]


class QueryHead(nn.Module):
    """What each query says: (N, T, C) -> logits (N, T, 2) of nothing and a person, and the offset (N, T, 2) of the point from the
    query, y and x, between -1 and 1."""

    def __init__(self, dim: int):
        super().__init__()
        self.classes = nn.Linear(dim, 2)
        self.points = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 2))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.classes(x), 2 * (self.points(x).sigmoid() - 0.5)
