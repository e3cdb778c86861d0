"""YOLOX with holes: a CSP backbone, a neck that goes down and up again, and a decoupled head on each of three maps.

Source: arXiv 2107.08430 (YOLOX) and Megvii-BaseDetection/YOLOX; the mixed depthwise convolutions and dark2 in the neck are those
of final-project-level3-cv-19. Strides of the maps: dark2 4, dark3 8, dark4 16, dark5 32. All are in channels_last memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from blocks.activation import Activation
from blocks.adopted import Adopted
from blocks.conv import CONV, Conv
from registry import Option
from space.networks import NETWORKS
from space.networks._widths import scaled

STRIDE = 32
"""Of the coarsest map: sides of images are multiples of it."""
STEM = 64  # channels of the stem at width 1
NORM = Option("batchnorm", {"eps": 1e-3, "momentum": 0.03})
POINTWISE = Option("dense", {"kernel": 1})
SEPARABLE = Option("separable")
PRIOR = 0.01  # probability of an object, and of each class, that the fresh head says everywhere


def check_depth(depth: int) -> None:
    if depth < 1:
        raise ValueError(f"depth: given {depth}; allowed: 1 or more")


@dataclass(frozen=True)
class StageArch:
    """One stage of the backbone: the convolution `down` halves the map, then a CSP layer of `depth` bottlenecks."""

    depth: int
    down: Conv = SEPARABLE
    bottleneck: Conv = SEPARABLE

    def __post_init__(self):
        check_depth(self.depth)


@dataclass(frozen=True)
class NeckArch:
    """Four CSP layers of `depth` bottlenecks; `bottom_up` halves the map on the way back to coarse maps. `dark2` added: dark2, by
    two separable convolutions of strides 4 and 8, is added to the outputs of both `bottom_up`."""

    depth: int
    bottleneck: Conv = SEPARABLE
    bottom_up: Conv = SEPARABLE
    dark2: Literal["unused", "added"] = "unused"

    def __post_init__(self):
        check_depth(self.depth)


@dataclass(frozen=True)
class HeadArch:
    """`conv` stands four times on each of the three maps: twice for the classes, twice for box and objectness."""

    conv: Conv = SEPARABLE


@dataclass(frozen=True)
class YoloxArch:
    """`width` 1 is 64 channels in the stem, twice as many in dark2, and so on; the head has four times as many."""

    width: float
    dark2: StageArch
    dark3: StageArch
    dark4: StageArch
    dark5: StageArch
    neck: NeckArch
    head: HeadArch
    activation: Activation = Option("silu")

    def __post_init__(self):
        if self.channels < 2 or self.channels % 2:
            wanted = f"a number by which {STEM} channels become an even number, as 0.25"
            raise ValueError(f"width: given {self.width}; allowed: {wanted}")

    @property
    def channels(self) -> int:
        """Of the stem."""
        return int(STEM * self.width)

    @property
    def stages(self) -> tuple[StageArch, ...]:
        return self.dark2, self.dark3, self.dark4, self.dark5


def layer(conv: Conv, channels: int, dim: int, activation: Activation, *, stride: int = 1) -> nn.Module:
    """A convolution of this network: with its norm, and its activation."""
    return CONV.build(conv, channels=channels, dim=dim, stride=stride, norm=NORM, activation=activation)


class Focus(nn.Module):
    """Each 2x2 square of pixels becomes one position, then a 3x3 convolution. Shapes: (B, 3, H, W) -> (B, dim, H/2, W/2)."""

    def __init__(self, dim: int, activation: Activation):
        super().__init__()
        self.conv = layer(Option("dense"), 12, dim, activation)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        squares = image.unflatten(3, (-1, 2)).unflatten(2, (-1, 2))  # (B, 3, h, 2, w, 2)
        x = squares.permute(0, 2, 4, 5, 3, 1).flatten(3)  # (B, h, w, 12): column in the square, row in it, colour
        return self.conv(x.permute(0, 3, 1, 2))


class Bottleneck(nn.Module):
    """A 1x1 and a convolution in space; the input is added where `shortcut` says so. Shapes: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, dim: int, conv: Conv, activation: Activation, *, shortcut: bool):
        super().__init__()
        self.shortcut = shortcut
        self.reduce = layer(POINTWISE, dim, dim, activation)
        self.conv = layer(conv, dim, dim, activation)

    def extra_repr(self) -> str:
        return f"shortcut={self.shortcut}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(self.reduce(x))
        return x + y if self.shortcut else y


class Csp(nn.Module):
    """Half of the channels go through the bottlenecks, the other half past them. Shapes: (B, channels, H, W) -> (B, dim, H, W).
    Source: arXiv 1911.11929 (CSPNet)."""

    def __init__(self, channels: int, dim: int, depth: int, conv: Conv, activation: Activation, *, shortcut: bool):
        super().__init__()
        half = dim // 2
        self.main = layer(POINTWISE, channels, half, activation)
        self.skip = layer(POINTWISE, channels, half, activation)
        self.bottlenecks = nn.ModuleList(Bottleneck(half, conv, activation, shortcut=shortcut) for _ in range(depth))
        self.merge = layer(POINTWISE, dim, dim, activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.main(x)
        for bottleneck in self.bottlenecks:
            main = bottleneck(main)
        return self.merge(torch.cat([main, self.skip(x)], dim=1))


class Spp(nn.Module):
    """Maxima over squares of 5, 9 and 13 positions beside the map itself. Shapes: (B, C, H, W) -> (B, C, H, W).
    Source: arXiv 1406.4729 (SPP), in the form of YOLOv3's."""

    def __init__(self, dim: int, activation: Activation):
        super().__init__()
        self.reduce = layer(POINTWISE, dim, dim // 2, activation)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.merge = layer(POINTWISE, 2 * dim, dim, activation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [self.reduce(x)]
        for _ in range(3):
            maps.append(self.pool(maps[-1]))  # a maximum over 5 of maxima over 5 is one over 9
        return self.merge(torch.cat(maps, dim=1))


class Stage(nn.Module):
    """One stage of the backbone; the last has spatial pyramid pooling and no shortcuts.
    Shapes: (B, channels, H, W) -> (B, 2 * channels, H/2, W/2)."""

    def __init__(self, arch: StageArch, channels: int, activation: Activation, *, last: bool):
        super().__init__()
        dim = 2 * channels
        self.down = layer(arch.down, channels, dim, activation, stride=2)
        self.spp = Spp(dim, activation) if last else nn.Identity()
        self.csp = Csp(dim, dim, arch.depth, arch.bottleneck, activation, shortcut=not last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.csp(self.spp(self.down(x)))


class Neck(nn.Module):
    """Coarse maps into finer ones, then back, each time by concatenation. Shapes: dark2 (B, 2c, 8h, 8w), dark3 (B, 4c, 4h, 4w),
    dark4 (B, 8c, 2h, 2w), dark5 (B, 16c, h, w) -> maps of the last three's shapes. Source: arXiv 1803.01534 (PANet)."""

    def __init__(self, arch: NeckArch, channels: int, activation: Activation):
        super().__init__()
        dark2, dark3, dark4, dark5 = (channels * factor for factor in (2, 4, 8, 16))

        def csp(dim: int, out: int) -> Csp:
            return Csp(dim, out, arch.depth, arch.bottleneck, activation, shortcut=False)

        self.lateral5 = layer(POINTWISE, dark5, dark4, activation)
        self.top4 = csp(2 * dark4, dark4)
        self.lateral4 = layer(POINTWISE, dark4, dark3, activation)
        self.top3 = csp(2 * dark3, dark3)
        self.down3 = layer(arch.bottom_up, dark3, dark3, activation, stride=2)
        self.bottom4 = csp(2 * dark3, dark4)
        self.down4 = layer(arch.bottom_up, dark4, dark4, activation, stride=2)
        self.bottom5 = csp(2 * dark4, dark5)
        self.dark2_to_4 = layer(SEPARABLE, dark2, dark3, activation, stride=4) if arch.dark2 == "added" else None
        self.dark2_to_5 = layer(SEPARABLE, dark2, dark4, activation, stride=8) if arch.dark2 == "added" else None
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, maps: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        dark2, dark3, dark4, dark5 = maps
        lateral5 = self.lateral5(dark5)
        lateral4 = self.lateral4(self.top4(torch.cat([self.upsample(lateral5), dark4], dim=1)))
        top3 = self.top3(torch.cat([self.upsample(lateral4), dark3], dim=1))
        down3 = self.down3(top3) if self.dark2_to_4 is None else self.down3(top3) + self.dark2_to_4(dark2)
        bottom4 = self.bottom4(torch.cat([down3, lateral4], dim=1))
        down4 = self.down4(bottom4) if self.dark2_to_5 is None else self.down4(bottom4) + self.dark2_to_5(dark2)
        return [top3, bottom4, self.bottom5(torch.cat([down4, lateral5], dim=1))]

    def adopted(self, source: nn.Module) -> Adopted | None:
        """Where the checkpoint does not add dark2, the last norms on its two ways here begin at 0: at first they add nothing."""
        if not isinstance(source, Neck) or source.dark2_to_4 is not None or self.dark2_to_4 is None:
            return None
        same_width = source.lateral5.conv.weight.shape == self.lateral5.conv.weight.shape
        if not same_width or not leaves_zero(self.dark2_to_4.pointwise.activation):
            return None
        names = [f"{way}.pointwise.norm.{name}" for way in ("dark2_to_4", "dark2_to_5") for name in ("weight", "bias")]
        return Adopted({name: torch.zeros_like(self.get_parameter(name)) for name in names}, "dark2 adds nothing at first")


def leaves_zero(activation: nn.Module) -> bool:
    """Whether a layer whose activation reads 0 gives 0 and still learns: ReLU's slope there is 0, and it never would."""
    with torch.enable_grad():
        zero = torch.zeros((), requires_grad=True)
        value = activation(zero * 1.0)  # of a copy, since it may work in place
        (slope,) = torch.autograd.grad(value, zero)
    return value.item() == 0 and slope.item() != 0


class Level(nn.Module):
    """The predictions on one map: classes from one tower, box and objectness from the other.
    Shapes: (B, channels, h, w) -> (B, h * w, 5 + classes), row by row of the map."""

    def __init__(self, conv: Conv, channels: int, dim: int, classes: int, activation: Activation):
        super().__init__()
        self.stem = layer(POINTWISE, channels, dim, activation)
        self.class_tower = nn.Sequential(*(layer(conv, dim, dim, activation) for _ in range(2)))
        self.box_tower = nn.Sequential(*(layer(conv, dim, dim, activation) for _ in range(2)))
        self.classes = nn.Conv2d(dim, classes, 1)
        self.boxes = nn.Conv2d(dim, 4, 1)
        self.objectness = nn.Conv2d(dim, 1, 1)
        for predictor in (self.classes, self.objectness):
            nn.init.constant_(predictor.bias, math.log(PRIOR / (1 - PRIOR)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        box = self.box_tower(x)
        predicted = torch.cat([self.boxes(box), self.objectness(box), self.classes(self.class_tower(x))], dim=1)
        return predicted.permute(0, 2, 3, 1).flatten(1, 2)


class Head(nn.Module):
    """The levels, whose predictions are put one behind the other, the finest map's first."""

    def __init__(self, arch: HeadArch, channels: int, classes: int, activation: Activation):
        super().__init__()
        dim = 4 * channels
        self.levels = nn.ModuleList(Level(arch.conv, factor * channels, dim, classes, activation) for factor in (4, 8, 16))

    def forward(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([level(x) for level, x in zip(self.levels, maps, strict=True)], dim=1)


@NETWORKS.register("yolox")
class Yolox(nn.Module):
    """A detector. Shapes: image (B, 3, H, W) -> predictions (B, N, 5 + classes), N = HW / 64 + HW / 256 + HW / 1024.
    Needs: sides that are multiples of 32.

    A row is what one cell says, nothing decoded: tx, ty, tw, th, the logit of an object, the logits of the classes. The cells are
    those of stride 8, then 16, then 32, each map row by row. The cell in column x and row y of stride s means the box of centre
    ((x + tx) s, (y + ty) s), width s exp(tw) and height s exp(th), in pixels. Training and evaluation give the same form.
    """

    Arch = YoloxArch
    pixels = "bgr"  # 0 to 255, nothing subtracted

    def __init__(self, arch: YoloxArch, classes: int):
        super().__init__()
        channels, activation = arch.channels, arch.activation
        self.stem = Focus(channels, activation)
        for i, stage in enumerate(arch.stages):
            module = Stage(stage, channels << i, activation, last=i == len(arch.stages) - 1)
            self.add_module(f"dark{i + 2}", module)
        self.neck = Neck(arch.neck, channels, activation)
        self.head = Head(arch.head, channels, classes, activation)
        self.to(memory_format=torch.channels_last)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.neck(self.features(image)))

    def features(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The maps of dark2 to dark5, (B, 2c, H/4, W/4) to (B, 16c, H/32, W/32), c the stem's channels."""
        height, width = image.shape[2:]
        if height % STRIDE or width % STRIDE:
            raise ValueError(f"yolox: given images of ({height}, {width}); allowed: sides that are multiples of {STRIDE}")
        maps = [self.stem(image)]
        for stage in (self.dark2, self.dark3, self.dark4, self.dark5):
            maps.append(stage(maps[-1]))
        return maps[1:]

    @staticmethod
    def widened(arch: YoloxArch, factor: float) -> YoloxArch:
        """The same architecture with `factor` times the channels, for the training proxy; the stem's are a multiple of 8."""
        return replace(arch, width=scaled(arch.channels, factor) / STEM)
