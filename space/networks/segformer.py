"""SegFormer with holes: four stages of blocks over maps, and a decoder that brings them together.

Sources: arXiv 2105.15203 (SegFormer), and BoostFormer, a student project that pared it down (final-project-level3-cv-16).
All maps are (B, C, H, W) in channels_last memory, so that a linear layer or norm over channels needs no copy.
"""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from timm.layers import DropPath, calculate_drop_path_rates
from torch import nn
from torch.nn import functional as F

from blocks.adopted import Adopted
from blocks.embed import EMBED, Embed, coarser
from blocks.ffn import FFN, Ffn
from blocks.fusion import FUSION, Fusion
from blocks.fusion.concat import ConcatFusion
from blocks.fusion.sum import SumFusion
from blocks.join import JOIN
from blocks.mixer import MIXER, Mixer
from blocks.norm import NORM
from space.networks import NETWORKS
from space.networks._stages import FourStages, widened_stages
from space.networks._widths import scaled

NormLayout = Literal["pre", "v2"]
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))  # kernel and stride of each stage's patch embedding
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
    """A token mixer and a feed-forward network, each a residual branch; the mixer says which norm and join go with it.
    Shapes: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, arch: StageArch, *, grid: tuple[int, int], drop_path: float, norm_layout: NormLayout):
        super().__init__()
        self.mixer = MIXER.build(arch.mixer, dim=arch.dim, grid=grid)
        self.ffn = FFN.build(arch.ffn, dim=arch.dim)
        norm = NORM[self.mixer.norm]
        self.mixer_norm = norm(arch.dim) if norm_layout == "pre" else nn.Identity()
        self.mixer_join = JOIN.build(self.mixer.join, dim=arch.dim)
        self.ffn_norm = norm(arch.dim) if self.ffn.residual else nn.Identity()
        self.ffn_join = JOIN.build(self.mixer.join, dim=arch.dim) if self.ffn.residual else nn.Identity()
        self.end_norm = norm(arch.dim) if norm_layout == "v2" else nn.Identity()
        self.drop_path = DropPath(drop_path)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.mixer_join(x, self.drop_path(self.mixer(self.mixer_norm(x))))
        if self.ffn.residual:
            x = self.ffn_join(x, self.drop_path(self.ffn(self.ffn_norm(x))))
        return self.end_norm(x)


class Stage(nn.Module):
    """Patch embedding, blocks and, in the pre layout, a last norm. Shapes: (B, channels, H, W) -> (B, dim, h, w)."""

    def __init__(
        self,
        arch: StageArch,
        channels: int,
        patch: tuple[int, int],
        *,
        grid: tuple[int, int],
        drop_paths: list[float],
        norm_layout: NormLayout,
    ):
        super().__init__()
        kernel, stride = patch
        self.embed = EMBED.build(arch.embed, channels=channels, dim=arch.dim, kernel=kernel, stride=stride)
        self.blocks = nn.Sequential(*(Block(arch, grid=grid, drop_path=rate, norm_layout=norm_layout) for rate in drop_paths))
        self.norm = NORM["layernorm"](arch.dim) if norm_layout == "pre" else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.blocks(self.embed(x)))


class Decoder(nn.Module):
    """All stages at the first one's size, fused and classified. Shapes: 4 x (B, dims[i], h, w) -> (B, classes, H/4, W/4)."""

    def __init__(self, arch: DecoderArch, dims: list[int], classes: int):
        super().__init__()
        self.projections = nn.ModuleList(nn.Linear(dim, arch.width) for dim in dims)
        self.fusion = FUSION.build(arch.fusion, count=len(dims), width=arch.width)
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

    def adopted(self, source: nn.Module) -> Adopted | None:
        """Concatenation with its convolution as a sum, or a sum as such a convolution: exact, as nothing non-linear stands between
        the projections and the fusion."""
        if not isinstance(source, Decoder) or source.norm.num_features != self.norm.num_features:
            return None
        if isinstance(self.fusion, SumFusion) and isinstance(source.fusion, ConcatFusion):
            return self._folded(source)
        if isinstance(self.fusion, ConcatFusion) and isinstance(source.fusion, SumFusion):
            unit = torch.eye(self.norm.num_features)
            fuse = torch.cat([weight * unit for weight in source.fusion.weight.detach().flip(0)], dim=1)
            return Adopted({"fusion.fuse.weight": fuse[..., None, None]}, "sum written as concat")
        return None

    def _folded(self, source: "Decoder") -> Adopted:
        """Each map's slice of the convolution (the coarsest comes first) goes into its projection; one of other width stays out."""
        slices = source.fusion.fuse.weight.detach().double()[:, :, 0, 0].chunk(len(self.projections), dim=1)[::-1]
        tensors = {"fusion.weight": torch.ones(len(self.projections))}
        for i, (ours, theirs, fuse) in enumerate(zip(self.projections, source.projections, slices, strict=True)):
            if ours.weight.shape == theirs.weight.shape:
                tensors[f"projections.{i}.weight"] = (fuse @ theirs.weight.detach().double()).float()
                tensors[f"projections.{i}.bias"] = (fuse @ theirs.bias.detach().double()).float()
        return Adopted(tensors, "concat folded into sum")


@NETWORKS.register("segformer")
class SegFormer(FourStages):
    """A network of semantic segmentation. Shapes: image (B, 3, H, W) -> logits (B, classes, H/4, W/4), sides rounded up.

    Module names tell the parts apart that a recipe treats differently: the encoder is `stage1` ... `stage4`, the rest `decoder`.
    """

    Arch = SegFormerArch

    def __init__(self, arch: SegFormerArch, classes: int, image_size: tuple[int, int], drop_path: float = 0.1):
        super().__init__()
        rates = calculate_drop_path_rates(drop_path, [stage.depth for stage in arch.stages], stagewise=True)
        channels, grid = 3, image_size
        for i, stage in enumerate(arch.stages):
            grid = coarser(grid, *PATCHES[i])
            module = Stage(stage, channels, PATCHES[i], grid=grid, drop_paths=rates[i], norm_layout=arch.norm_layout)
            self.add_module(f"stage{i + 1}", module)
            channels = stage.dim
        self.decoder = Decoder(arch.decoder, [stage.dim for stage in arch.stages], classes)
        self.apply(init_weights)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decoder(list(self.features(image)))

    @staticmethod
    def widened(arch: SegFormerArch, factor: float) -> SegFormerArch:
        """The same architecture with `factor` times the channels, for the training proxy."""
        decoder = replace(arch.decoder, width=scaled(arch.decoder.width, factor))
        return replace(arch, **widened_stages(arch.stages, factor), decoder=decoder)


def init_weights(module: nn.Module) -> None:
    """Weights of linear layers and convolutions from N(0, 0.02), their biases 0, as the source does."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
