"""A project of its own: a mixer, a network and a task, none of which Paredown has. `plugins=[garden]` imports this file."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import nn

from blocks.mixer import MIXER, Mixer
from evaluators.data import Data
from evaluators.task import TASKS
from evaluators.task.segmentation import IGNORED, Segmentation, SegmentationScorer
from registry import Option
from space.networks import NETWORKS


@MIXER.register("strip")
class StripMixer(nn.Module):
    """Mix tokens along their row and their column by averages, as strip pooling does. Shapes: (B, C, H, W) -> (B, C, H, W)."""

    norm = "batchnorm"
    join = Option("plain")
    reads_neighbours = True

    def __init__(self, dim: int, *, gate: Literal["none", "sigmoid"] = "none"):
        super().__init__()
        self.mix = nn.Conv2d(dim, dim, 1)
        self.gate = nn.Sigmoid() if gate == "sigmoid" else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows, columns = x.mean(3, keepdim=True), x.mean(2, keepdim=True)  # (B, C, H, 1), (B, C, 1, W)
        return self.gate(self.mix(rows + columns)) - x


@dataclass(frozen=True)
class Layer:
    """One layer of the hedge."""

    mixer: Mixer
    width: int = 32


@dataclass(frozen=True)
class HedgeArch:
    """As many layers as `layer` repeats, after a stem of `stem` channels."""

    stem: int
    layer: tuple[Layer, ...]


@NETWORKS.register("hedge")
class Hedge(nn.Module):
    """A plain row of mixers at a quarter of the image's size. Shapes: (B, 3, H, W) -> (B, classes, H/4, W/4)."""

    Arch = HedgeArch

    def __init__(self, arch: HedgeArch, classes: int):
        super().__init__()
        layers, channels = [nn.Conv2d(3, arch.stem, 7, stride=4, padding=3)], arch.stem
        for layer in arch.layer:
            layers += [nn.Conv2d(channels, layer.width, 1), nn.BatchNorm2d(layer.width), nn.GELU()]
            layers += [MIXER.build(layer.mixer, dim=layer.width)]
            channels = layer.width
        self.encoder = nn.Sequential(*layers)
        self.decoder = nn.Conv2d(channels, classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(image))

    @staticmethod
    def widened(arch: HedgeArch, factor: float) -> HedgeArch:
        """The same layers with `factor` times the channels."""
        layers = tuple(replace(layer, width=max(1, round(layer.width * factor))) for layer in arch.layer)
        return replace(arch, stem=max(1, round(arch.stem * factor)), layer=layers)


@TASKS.register("foreground")
@dataclass(frozen=True)
class Foreground:
    """Anything against the background: segmentation with the classes above 0 taken as one, by the network's first two logits."""

    target: ClassVar[str] = "mask"
    metrics: ClassVar[Mapping[str, Literal["min", "max"]]] = Segmentation.metrics

    def check(self, data: Data) -> None:
        Segmentation().check(data)

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return Segmentation(balance=1).loss(output, merged(target))

    def scorer(self, classes: int, device: torch.device) -> SegmentationScorer:
        return MergedScorer(classes, device)


class MergedScorer(SegmentationScorer):
    """Scores two classes, whatever the number of those in the data."""

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        super().update(output, merged(target))


def merged(target: torch.Tensor) -> torch.Tensor:
    """Class ids (B, H, W) with every class above 0 taken as 1; ignored pixels stay ignored."""
    return torch.where(target == IGNORED, target, target.clamp(max=1))
