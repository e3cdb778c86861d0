"""The vision transformer with holes: one row of residual blocks over equal patches.

Sources: arXiv 2010.11929 (ViT), arXiv 2012.12877 (DeiT). The layer choices are those of the `metaformer` network; with
readout `mean` there are no tokens beside the patches, so any of its mixers can stand anywhere.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from timm.layers import calculate_drop_path_rates
from torch import nn

from blocks.activation import Activation
from blocks.embed import EMBED, coarser
from blocks.ffn import Ffn
from blocks.join import Join
from blocks.mixer import Mixer
from blocks.norm import NORM, Norm
from blocks.position import POSITION, Position
from blocks.residual_block import ResidualBlock
from registry import Option
from space.networks import NETWORKS
from space.networks._widths import scaled, unit_of
from space.networks.metaformer import init_weights

Readout = Literal["class", "distilled", "mean"]
TOKENS: dict[Readout, int] = {"class": 1, "distilled": 2, "mean": 0}
"""Learned tokens before the patches; each has a classifier."""


@dataclass(frozen=True)
class LayerArch:
    """One layer."""

    mixer: Mixer
    ffn: Ffn = Option("mlp")


@dataclass(frozen=True)
class VitArch:
    """`readout`: what is classified, the class token, that and DeiT's distillation token (the mean of both logits), or the mean of
    the patches. A token reads the map by attention alone, so layers that read neighbours need an attention behind them."""

    dim: int
    layer: tuple[LayerArch, ...]
    patch: int = 16
    norm: Norm = Option("layernorm", {"eps": 1e-6})
    activation: Activation = Option("gelu")
    join: Join = Option("plain")
    position: Position = Option("learned")
    readout: Readout = "class"

    def __post_init__(self):
        if self.patch < 1:
            raise ValueError(f"patch: given {self.patch}; allowed: 1 pixel or more")


class TokenClassifiers(nn.ModuleList):
    """One for each token. A type of its own: weights for the mean of the patches have equal shapes and another meaning."""


class MeanClassifiers(nn.ModuleList):
    """One, of the mean of the patches."""


@NETWORKS.register("vit")
class Vit(nn.Module):
    """A classifier. Shapes: image (B, 3, H, W) -> logits (B, classes); H and W are cut to whole patches.

    Inside, a map is (B, C, H / patch, W / patch) without tokens, else (B, C, 1, tokens + positions).
    """

    Arch = VitArch
    undecayed_parameters = ("tokens", "token_positions")  # weight decay is for what multiplies

    def __init__(self, arch: VitArch, classes: int, image_size: tuple[int, int], drop_path: float = 0.0):
        super().__init__()
        count = TOKENS[arch.readout]
        grid = coarser(image_size, arch.patch, arch.patch, 0)
        if min(grid) < 1:
            raise ValueError(f"vit: images of {image_size} pixels are smaller than a patch of {arch.patch}")
        embed = Option("conv", {"norm": Option("identity")})
        self.embed = EMBED.build(embed, channels=3, dim=arch.dim, kernel=arch.patch, stride=arch.patch, padding=0)
        self.position = POSITION.build(arch.position, dim=arch.dim, grid=grid)
        if count:
            self.tokens = nn.Parameter(torch.empty(count, arch.dim))
            nn.init.normal_(self.tokens, std=1e-6)
        if count and arch.position.name != "identity":
            self.token_positions = nn.Parameter(torch.empty(count, arch.dim))
            nn.init.trunc_normal_(self.token_positions, std=0.02)
        else:
            self.token_positions = None
        self.layers = nn.ModuleList(
            ResidualBlock(
                arch.dim,
                layer.mixer,
                layer.ffn,
                norm=arch.norm,
                activation=arch.activation,
                join=arch.join,
                grid=grid,
                drop_path=rate,
                tokens=count,
            )
            for layer, rate in zip(arch.layer, calculate_drop_path_rates(drop_path, len(arch.layer)), strict=True)
        )
        if count:
            check_reading(arch, self.layers)
        self.norm = NORM.build(arch.norm, channels=arch.dim)
        classifiers = TokenClassifiers if count else MeanClassifiers
        self.classifiers = classifiers(nn.Linear(arch.dim, classes) for _ in range(max(count, 1)))
        self.count = count
        self.apply(init_weights)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.features(image))
        if not self.count:
            return self.classifiers[0](x.mean((2, 3)))
        logits = [classify(x[:, :, 0, i]) for i, classify in enumerate(self.classifiers)]
        return sum(logits[1:], logits[0]) / len(logits)

    def features(self, image: torch.Tensor) -> torch.Tensor:
        """What the last layer leaves, before the last norm."""
        x = self.position(self.embed(image.contiguous(memory_format=torch.channels_last)))
        grid = (x.shape[2], x.shape[3])
        x = self._with_tokens(x) if self.count else x
        for layer in self.layers:
            x = layer(x, grid)
        return x

    def _with_tokens(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) -> (B, C, 1, tokens + h * w), in channels_last memory: rows of tokens."""
        tokens = self.tokens if self.token_positions is None else self.tokens + self.token_positions
        rows = x.permute(0, 2, 3, 1).flatten(1, 2)  # (B, h * w, C)
        rows = torch.cat([tokens.expand(x.shape[0], -1, -1), rows], dim=1)
        return rows.unsqueeze(1).permute(0, 3, 1, 2)

    @staticmethod
    def widened(arch: VitArch, factor: float) -> VitArch:
        """The same architecture with `factor` times the channels, for the training proxy, rounded to a multiple of 8 that the heads
        of every layer divide."""
        return replace(arch, dim=scaled(arch.dim, factor, unit_of(*(layer.mixer for layer in arch.layer))))


def check_reading(arch: VitArch, layers: nn.ModuleList) -> None:
    """ValueError where the tokens would never see what the last layers make of the patches."""
    mixing = [n for n, layer in enumerate(arch.layer) if layer.mixer.name != "identity"]
    last = mixing[-1] if mixing else 0
    if not mixing or layers[last].mixer.reads_neighbours or any(layer.ffn.reads_neighbours for layer in layers[last:]):
        raise ValueError(
            f"readout: given '{arch.readout}', but tokens read the patches by attention alone, and no attention stands behind the "
            "last layer that mixes; allowed: readout mean, or attention there"
        )
