"""The embedded data set for segmentation: garments on photographs. Nothing is downloaded."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torchvision import tv_tensors

from evaluators.data import DATA, embedded
from evaluators.data.composer import KIND_OF_GARMENT, KINDS, ComposedScenes, Layout, composed


@DATA.register("scenes")
@dataclass(frozen=True)
class Scenes(ComposedScenes):
    """Garments (Fashion-MNIST) cut out, turned, tinted and laid on crops of ten public-domain photographs. The pixels are real,
    the layout is generated: figures from here rank architectures, and are no benchmark of anything else.

    Five classes: the photograph itself, tops, legwear (dresses with trousers), footwear, bags.
    """

    target: ClassVar[str] = "mask"
    classes: ClassVar[int] = 1 + len(KINDS)
    class_names: ClassVar[tuple[str, ...]] = ("background", *KINDS)
    on_disk: ClassVar[str] = "data=ade20k or data=folder"

    def render(self, split: embedded.Split, count: int, layout: Layout) -> "SceneSet":
        return rendered(split, count, layout)


@dataclass(frozen=True, eq=False)
class SceneSet:
    """Scenes held in memory: images (N, 3, S, S) and masks (N, S, S), both uint8."""

    images: torch.Tensor
    masks: torch.Tensor
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        return tv_tensors.Image(self.images[index]), tv_tensors.Mask(self.masks[index])


@functools.lru_cache(maxsize=4)
def rendered(split: embedded.Split, count: int, layout: Layout) -> SceneSet:
    """The first `count` scenes of a split, made once for each process."""
    images = np.empty((count, layout.size, layout.size, 3), np.uint8)
    masks = np.empty((count, layout.size, layout.size), np.uint8)
    classes = np.zeros(256, np.uint8)
    for index, scene in enumerate(composed(split, count, layout)):
        images[index] = scene.image
        classes[1 : len(scene.garments) + 1] = [1 + KIND_OF_GARMENT[label] for label in scene.garments]
        masks[index] = classes[scene.owner]
    return SceneSet(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks))
