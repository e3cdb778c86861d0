"""The context encoder of PET: token mixers inside windows, each layer with its norms behind the sums."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from blocks.ffn import FFN, Ffn
from blocks.mixer import MIXER, Mixer
from blocks.norm import NORM, Norm
from blocks.windows import merge, partition, readable
from registry import Option, named_by

RELU = Option("relu")
ATTENTION = Option("attention", {"heads": 8})
MLP = Option("mlp", {"ratio": 2})
PLAIN = Option("conv")
SIDES = (1, 2, 4, 8, 16, 32)
"""Of windows: they divide every padded map."""


@dataclass(frozen=True)
class LayerArch:
    """One layer; `window` is its width and height, in positions of the map of stride 8."""

    window: tuple[int, ...]
    mixer: Mixer = ATTENTION
    ffn: Ffn = MLP

    def __post_init__(self):
        if len(self.window) != 2 or any(side not in SIDES for side in self.window):
            allowed = f"a width and a height, each one of {', '.join(map(str, SIDES))}"
            raise ValueError(f"window: given {list(self.window)}; allowed: {allowed}")
        kv = self.mixer.args.get("kv", PLAIN)
        if kv.name != PLAIN.name or kv.args.get("reduction", 1) > 1:
            raise ValueError(f"mixer.kv: given a {kv.name} that shrinks windows; allowed: {PLAIN.name} with reduction 1")


@dataclass(frozen=True)
class EncoderArch:
    """Layers one after the other. `sharing` names each layer's weights by a letter: layers of one letter have one mixer, FFN and
    norms between them, and differ by their windows alone."""

    layer: tuple[LayerArch, ...]
    norm: Norm = Option("layernorm")
    sharing: Literal["none", "AA", "AABB", "ABAB", "ABBA"] = "none"

    def __post_init__(self):
        if self.sharing != "none" and len(self.sharing) != len(self.layer):
            allowed = "none, or a letter for each"
            raise ValueError(f"encoder.sharing: given '{self.sharing}' for {len(self.layer)} layers; allowed: {allowed}")
        for i, layer in enumerate(self.layer):
            first = self.order.index(self.order[i])
            if (layer.mixer, layer.ffn) != (self.layer[first].mixer, self.layer[first].ffn):
                pair = f"layer{first + 1} and layer{i + 1}"
                raise ValueError(f"encoder.sharing: given '{self.sharing}'; allowed where {pair} have the same mixer and FFN")

    @property
    def order(self) -> tuple[int, ...]:
        """Of each layer, which of the different ones it is."""
        if self.sharing == "none":
            return tuple(range(len(self.layer)))
        return tuple("AB".index(letter) for letter in self.sharing)


class EncoderLayer(nn.Module):
    """x = norm(x + mixer(x)) in windows, then the same with the FFN over the map. Shapes: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, arch: LayerArch, dim: int, *, norm: Norm, window: tuple[int, int]):
        super().__init__()
        self.mixer = MIXER.build(arch.mixer, dim=dim, grid=window, activation=RELU)
        self.ffn = FFN.build(arch.ffn, dim=dim, activation=RELU)
        self.mixer_norm = NORM.build(norm, channels=dim)
        self.ffn_norm = NORM.build(norm, channels=dim) if self.ffn.residual else nn.Identity()
        self.places = bool(named_by(self.mixer.forward, {"placed": None}))

    def forward(self, x: torch.Tensor, code: torch.Tensor, part: tuple[int, int], window: tuple[int, int]) -> torch.Tensor:
        """`code` (1, C, H, W) of positions; `part` (height, width) of the map that is real."""
        windows = as_maps(x, window)
        if self.places:
            real = readable(part, x.shape[2:], window, x.device)
            real = None if real is None else real.repeat(len(x), 1)
            mixed = self.mixer(windows, as_maps(x + code, window), real)
        else:
            mixed = self.mixer(windows)
        mixed = merge(mixed.permute(0, 2, 3, 1).flatten(1, 2), window, x.shape[2:]).permute(0, 3, 1, 2)
        x = self.mixer_norm(x + mixed)
        return self.ffn_norm(x + self.ffn(x)) if self.ffn.residual else x


def as_maps(x: torch.Tensor, window: tuple[int, int]) -> torch.Tensor:
    """(B, C, H, W) -> (B * n, C, h, w): each window a map of its own."""
    return partition(x.permute(0, 2, 3, 1), window).unflatten(1, window).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """The layers, each of them once however often it is called. Shapes: (B, C, H, W) -> (B, C, H, W).

    `grid`: the (height, width) of the map at the network's image size; larger windows are cut to it.
    """

    def __init__(self, arch: EncoderArch, dim: int, grid: tuple[int, int]):
        super().__init__()
        self.windows = [(min(layer.window[1], grid[0]), min(layer.window[0], grid[1])) for layer in arch.layer]
        self.order = arch.order
        firsts = [self.order.index(n) for n in range(max(self.order) + 1)]
        self.layers = nn.ModuleList(EncoderLayer(arch.layer[i], dim, norm=arch.norm, window=self.windows[i]) for i in firsts)

    def forward(self, x: torch.Tensor, code: torch.Tensor, part: tuple[int, int]) -> torch.Tensor:
        for n, window in zip(self.order, self.windows, strict=True):
            x = self.layers[n](x, code, part, window)
        return x
