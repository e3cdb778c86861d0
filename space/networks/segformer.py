"""SegFormer with holes: four stages of blocks over maps, and a decoder that brings them together.

Sources: arXiv 2105.15203 (SegFormer), and BoostFormer, a student project that pared it down (final-project-level3-cv-16).
All maps are (B, C, H, W) in channels_last memory, so that a linear layer or norm over channels needs no copy.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from timm.layers import DropPath, LayerScale2d, calculate_drop_path_rates
from torch import nn
from torch.nn import functional as F

from blocks.embed import EMBED, Embed
from blocks.ffn import FFN, Ffn
from blocks.fusion import FUSION, Fusion
from blocks.mixer import MIXER, Mixer
from blocks.norm import NORM
from space.networks import NETWORKS

NormLayout = Literal["pre", "v2"]
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))  # kernel and stride of each stage's patch embedding
DROP_PATH = 0.1  # stochastic depth of the last block; the first has 0
DROPOUT = 0.1  # before the classifier


@dataclass(frozen=True)
class StageArch:
    """One stage: `depth` equal blocks at `dim` channels, after a patch embedding."""

    dim: int
    depth: int
    embed: Embed
    mixer: Mixer
    ffn: Ffn


@dataclass(frozen=True)
class DecoderArch:
    """The decoder: every stage is projected to `width` channels and upsampled, then the four maps are fused."""

    fusion: Fusion
    width: int


@dataclass(frozen=True)
class SegFormerArch:
    """`norm_layout` pre: a norm before each branch and one after each stage. v2: none before the mixer, one after each block."""

    norm_layout: NormLayout
    stage1: StageArch
    stage2: StageArch
    stage3: StageArch
    stage4: StageArch
    decoder: DecoderArch

    @property
    def stages(self) -> tuple[StageArch, ...]:
        return self.stage1, self.stage2, self.stage3, self.stage4


class Block(nn.Module):
    """A token mixer and a feed-forward network, each a residual branch; the mixer says which norm and scale go with it.
    Shapes: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, arch: StageArch, *, drop_path: float, norm_layout: NormLayout):
        super().__init__()
        self.mixer = MIXER.build(arch.mixer, arch.dim)
        self.ffn = FFN.build(arch.ffn, arch.dim)
        norm = NORM[self.mixer.norm]
        self.mixer_norm = norm(arch.dim) if norm_layout == "pre" else nn.Identity()
        self.mixer_scale = self._scale(arch.dim)
        self.ffn_norm = norm(arch.dim) if self.ffn.residual else nn.Identity()
        self.ffn_scale = self._scale(arch.dim) if self.ffn.residual else nn.Identity()
        self.end_norm = norm(arch.dim) if norm_layout == "v2" else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def _scale(self, dim: int) -> nn.Module:
        initial = self.mixer.layer_scale
        return nn.Identity() if initial is None else LayerScale2d(dim, initial)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.drop_path(self.mixer_scale(self.mixer(self.mixer_norm(x))))
        if self.ffn.residual:
            x = x + self.drop_path(self.ffn_scale(self.ffn(self.ffn_norm(x))))
        return self.end_norm(x)


class Stage(nn.Module):
    """Patch embedding, blocks and, in the pre layout, a last norm. Shapes: (B, channels, H, W) -> (B, dim, h, w)."""

    def __init__(self, arch: StageArch, channels: int, patch: tuple[int, int], *, drop_paths: list[float], norm_layout: NormLayout):
        super().__init__()
        self.embed = EMBED.build(arch.embed, channels, arch.dim, *patch)
        self.blocks = nn.Sequential(*(Block(arch, drop_path=rate, norm_layout=norm_layout) for rate in drop_paths))
        self.norm = NORM["layernorm"](arch.dim) if norm_layout == "pre" else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.blocks(self.embed(x)))


class Decoder(nn.Module):
    """All stages at the first one's size, fused and classified. Shapes: 4 x (B, dims[i], h, w) -> (B, classes, H/4, W/4)."""

    def __init__(self, arch: DecoderArch, dims: list[int], classes: int):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(dim, arch.width) for dim in dims)
        self.fusion = FUSION.build(arch.fusion, len(dims), arch.width)
        self.norm = NORM["batchnorm"](arch.width)
        self.activation = nn.ReLU()
        self.dropout = nn.Dropout(DROPOUT)
        self.classifier = nn.Conv2d(arch.width, classes, 1)

    def forward(self, maps: list[torch.Tensor]) -> torch.Tensor:
        size = maps[0].shape[2:]
        fused = self.fusion([self._project(linear, x, size) for linear, x in zip(self.projections, maps, strict=True)])
        return self.classifier(self.dropout(self.activation(self.norm(fused))))

    @staticmethod
    def _project(linear: nn.Module, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        x = linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # (B, C, h, w) -> (B, width, h, w)
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


@NETWORKS.register("segformer")
class SegFormer(nn.Module):
    """A network of semantic segmentation. Shapes: image (B, 3, H, W) -> logits (B, classes, H/4, W/4), sides rounded up.

    Module names tell the parts apart that a recipe treats differently: the encoder is `stage1` ... `stage4`, the rest `decoder`.
    """

    Arch = SegFormerArch

    def __init__(self, arch: SegFormerArch, classes: int):
        super().__init__()
        rates = calculate_drop_path_rates(DROP_PATH, [stage.depth for stage in arch.stages], stagewise=True)
        channels = 3
        for i, stage in enumerate(arch.stages):
            module = Stage(stage, channels, PATCHES[i], drop_paths=rates[i], norm_layout=arch.norm_layout)
            self.add_module(f"stage{i + 1}", module)
            channels = stage.dim
        self.decoder = Decoder(arch.decoder, [stage.dim for stage in arch.stages], classes)
        self.apply(init_weights)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decoder(list(self.features(image)))

    def features(self, image: torch.Tensor) -> Iterator[torch.Tensor]:
        """The maps of the four stages, at 1/4, 1/8, 1/16 and 1/32 of the image."""
        x = image.contiguous(memory_format=torch.channels_last)
        for stage in (self.stage1, self.stage2, self.stage3, self.stage4):
            x = stage(x)
            yield x

    @staticmethod
    def widened(arch: SegFormerArch, factor: float) -> SegFormerArch:
        """The same architecture with `factor` times the channels, for the training proxy. Each width is rounded to a multiple of
        8 that its heads divide."""
        stages = {f"stage{i + 1}": _widen_stage(stage, factor) for i, stage in enumerate(arch.stages)}
        return replace(arch, **stages, decoder=replace(arch.decoder, width=_scaled(arch.decoder.width, factor, 8)))


def _widen_stage(stage: StageArch, factor: float) -> StageArch:
    heads = stage.mixer.args.get("heads", 1)
    return replace(stage, dim=_scaled(stage.dim, factor, math.lcm(8, heads)))


def _scaled(width: int, factor: float, unit: int) -> int:
    return max(unit, round(width * factor / unit) * unit)


def init_weights(module: nn.Module) -> None:
    """Weights of linear layers and convolutions from N(0, 0.02), their biases 0, as the source does."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
