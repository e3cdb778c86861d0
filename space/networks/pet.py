"""PET with holes: point queries of two densities, of which each patch of an image uses one.

Sources: arXiv 2308.13814 (PET) and cxliu0/PET; the lighter encoders are those of level2-3-cv-finalproject-cv-07. Points are
(y, x) in pixels. A patch is 128 pixels wide and 64 high. Queries stand in squares of 8 pixels (sparse) or 4 (dense).
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Self

import torch
from torch import nn
from torch.nn import functional as F

from blocks.attend import AttentionLayers
from blocks.backbone import BACKBONE, Backbone
from blocks.feature_pyramid import FeaturePyramid
from blocks.sine_code import sine_code
from blocks.windows import merge, partition, readable
from registry import Option
from space.networks import NETWORKS
from space.networks._pet_decoder import Decoder, DecoderArch, Memory, QueryHead
from space.networks._pet_encoder import Encoder, EncoderArch
from space.networks._pet_routes import (
    DENSE,
    PATCH,
    SPARSE,
    Level,
    Route,
    Scene,
    chosen,
    patches_of,
    real_part,
    windows_kept,
    windows_of,
)
from space.networks._widths import scaled

REACH = 256
"""Pixels between a query and its point at most, on each axis."""
PADDED = 256
"""Sides are padded to multiples of it, in a network built for images that large."""


@dataclass(frozen=True)
class PetArch:
    """`coarse` kept: the pyramid's coarsest map gets a 3x3 convolution that nothing reads. `heads` are those of the decoder; a
    mixer of the encoder says its own."""

    backbone: Backbone
    encoder: EncoderArch
    decoder: DecoderArch
    coarse: Literal["kept", "dropped"] = "kept"
    dim: int = 256
    heads: int = 8

    def __post_init__(self):
        if self.dim < 4 or self.dim % 4:
            raise ValueError(f"dim: given {self.dim}; allowed: multiples of 4, as each axis of the code of positions has pairs")
        if self.heads < 1 or self.dim % self.heads:
            raise ValueError(f"heads: given {self.heads}; allowed: numbers that divide the {self.dim} channels")


class PetOutput(NamedTuple):
    """`sparse` (B, h8 * w8, 4) and `dense` (B, h4 * w4, 4): queries, row by row of the padded map: logit of nothing, logit of a
    person, y and x of the point in pixels of the image. `split` (B, hp, wp): the probability that a patch is dense, nan for one of
    padding alone."""

    sparse: torch.Tensor
    dense: torch.Tensor
    split: torch.Tensor


@NETWORKS.register("pet")
class Pet(nn.Module):
    """A network that counts by points. Shapes: image (B, 3, H, W), any H and W -> see `PetOutput`.

    It pads images at the bottom and right, with zeros, to multiples of 256 pixels; one built for smaller images (the training
    proxy's) to whole patches. In training every query is decoded. In evaluation `route` says which: "learned" those of the split, a
    patch being dense where it is above 0.5; "sparse" and "dense" send all patches one way, "half" each second one, "both" each to
    both. Rows that are not decoded are (0, -inf, y, x of the query): no person there. Windows of padding alone never are.
    """

    Arch = PetArch

    def __init__(self, arch: PetArch, classes: int, image_size: tuple[int, int]):
        super().__init__()
        if classes != 1:
            raise ValueError(f"pet: given {classes} classes; allowed: 1, what is counted")
        patches = [-(-side // (8 * patch)) * 8 * patch for side, patch in zip(image_size, PATCH, strict=True)]
        self.unit = (PADDED, PADDED) if min(patches) >= PADDED else (8 * PATCH[0], 8 * PATCH[1])
        self.route: Route = "learned"
        self.backbone = FeaturePyramid(arch.backbone, arch.dim, coarse=arch.coarse)
        self.project4, self.project8 = nn.Conv2d(arch.dim, arch.dim, 1), nn.Conv2d(arch.dim, arch.dim, 1)
        grid = [-(-side // unit) * unit // 8 for side, unit in zip(image_size, self.unit, strict=True)]
        self.encoder = Encoder(arch.encoder, arch.dim, (grid[0], grid[1]))
        self.splitter = nn.Conv2d(arch.dim, 1, 1)
        self.decoder = Decoder(arch.decoder, arch.dim, arch.heads)
        self.sparse_head, self.dense_head = QueryHead(arch.dim), QueryHead(arch.dim)
        for part in (self.encoder, self.decoder):
            init_transformer(part)
        self.to(memory_format=torch.channels_last)

    def for_measuring(self) -> Self:
        """Half of the patches sparse, half dense: what fresh weights would send where is chance."""
        self.route = "half"
        return self

    def forward(self, image: torch.Tensor) -> PetOutput:
        size = (image.shape[2], image.shape[3])
        bottom, right = (-side % unit for side, unit in zip(size, self.unit, strict=True))
        image = F.pad(image, (0, right, 0, bottom)).contiguous(memory_format=torch.channels_last)
        fine, middle = self.backbone(image)
        fine, middle = self.project4(fine), self.project8(middle)
        scene = self.encoded(middle, size)
        split = self.split(scene)
        sparse, dense = self.routed(split, scene)
        said = self.decode(SPARSE, self.sparse_head, middle, scene, sparse)
        return PetOutput(said, self.decode(DENSE, self.dense_head, fine, scene, dense), split)

    def encoded(self, middle: torch.Tensor, size: tuple[int, int]) -> Scene:
        """The encoder's map of the projected features of stride 8."""
        rows, columns = (torch.arange(side, device=middle.device) for side in middle.shape[2:])
        code = sine_code(rows, columns, real_part(size), middle.shape[1])
        return Scene(self.encoder(middle, code.permute(2, 0, 1)[None], real_part(size)), code, size)

    def split(self, scene: Scene) -> torch.Tensor:
        """(B, hp, wp): the probability that a patch is dense."""
        dense = self.splitter(F.avg_pool2d(scene.memory, PATCH)).squeeze(1).sigmoid()
        return dense.masked_fill(~windows_of(SPARSE, scene, dense.device), torch.nan)

    def routed(self, split: torch.Tensor, scene: Scene) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        """Which windows of the batch are decoded, sparse and dense: their numbers, or None for all of them."""
        if self.training:
            return None, None
        if self.route == "learned":
            dense = split > 0.5
            sparse = ~dense
        else:
            sparse, dense = patches_of(self.route, split.shape[1:])
        return windows_kept(SPARSE, sparse.expand(split.shape), scene), windows_kept(DENSE, dense.expand(split.shape), scene)

    def decode(
        self, level: Level, head: QueryHead, features: torch.Tensor, scene: Scene, kept: torch.Tensor | None
    ) -> torch.Tensor:
        """(B, h * w, 4) for features (B, C, h, w) of the level's stride: what its queries say in the windows of `kept`."""
        grid, batch = features.shape[2:], len(features)
        rows, columns = (torch.arange(side, device=features.device) * level.stride + level.stride // 2 for side in grid)
        places = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=2).float()
        places = chosen(partition(places[None], level.window), None, batch)  # (B * n, T, 2)
        if kept is None or len(kept):
            code = partition(sine_code(rows, columns, scene.size, features.shape[1])[None], level.window)
            queries = chosen(partition(features.permute(0, 2, 3, 1), level.window), kept)
            left = self.decoder(queries, chosen(code, kept, batch), remembered(level, scene, kept), level.window)
            logits, offsets = [head(tokens) for tokens in left][-1]
            said = torch.cat([logits.float(), chosen(places, kept) + REACH * offsets.float()], dim=2)
        if kept is not None:
            nothing = places.new_tensor([0.0, -torch.inf]).expand_as(places)
            blank = torch.cat([nothing, places], dim=2)
            said = blank.index_copy(0, kept, said) if len(kept) else blank
        return merge(said, level.window, grid).flatten(1, 2)

    @staticmethod
    def widened(arch: PetArch, factor: float) -> PetArch:
        """The same architecture with `factor` times the channels, for the training proxy. Heads stay as many as before where each
        keeps 16 channels, else they become fewer; a thin backbone is not made thinner."""
        dim = scaled(arch.dim, factor)

        def narrowed(option: Option) -> Option:
            heads = option.args.get("heads", 1)
            return Option(option.name, {**option.args, "heads": fewer(heads, dim)}) if heads > 1 else option

        layers = tuple(replace(layer, mixer=narrowed(layer.mixer)) for layer in arch.encoder.layer)
        thin = getattr(BACKBONE[arch.backbone.name], "thin", False)
        width = arch.backbone.args.get("width", 1.0) * (max(factor, 1.0) if thin else factor)
        return replace(
            arch,
            dim=dim,
            heads=fewer(arch.heads, dim),
            backbone=Option(arch.backbone.name, {**arch.backbone.args, "width": width}),
            encoder=replace(arch.encoder, layer=layers),
        )


def fewer(heads: int, dim: int) -> int:
    """The largest number of heads, up to `heads`, that divides `dim` and leaves each 16 channels or more; 1 where none does."""
    return next((count for count in range(heads, 1, -1) if dim % count == 0 and dim // count >= 16), 1)


def remembered(level: Level, scene: Scene, kept: torch.Tensor | None) -> Memory:
    """What the queries in the windows of `kept` read."""
    batch, grid = len(scene.memory), scene.memory.shape[2:]
    tokens = chosen(partition(scene.memory.permute(0, 2, 3, 1), level.memory), kept)
    code = chosen(partition(scene.code[None], level.memory), kept, batch)
    real = readable(scene.part, grid, level.memory, tokens.device)
    return Memory(tokens, tokens + code, None if real is None else chosen(real, kept, batch))


def init_transformer(part: nn.Module) -> None:
    """Matrices of encoder and decoder by Xavier; those of queries, keys and values as the one matrix that the source makes them."""
    for parameter in part.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for layers in part.modules():
        if isinstance(layers, AttentionLayers):
            nn.init.xavier_uniform_(layers.query.weight, gain=(1 / 2) ** 0.5)
            nn.init.xavier_uniform_(layers.key_value.weight, gain=(3 / 4) ** 0.5)
            for linear in (layers.query, layers.key_value, layers.output):
                if isinstance(linear, nn.Linear) and linear.bias is not None:
                    nn.init.zeros_(linear.bias)
