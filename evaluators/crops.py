"""Crops of one size from images with points, to learn counting from. Legend: S the schedule's image size, N points."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as vision

from evaluators.data import Samples
from evaluators.data.pointed import on_image
from evaluators.schedule import Schedule

Item = tuple[Tensor, dict[str, Any]]
"""An image (3, H, W) and a target of kind 'points', as `Samples` describes them."""


@dataclass(frozen=True, eq=False)
class Crops:
    """A training split of kind 'points' in S x S: of each image, scaled at random, a random part.

    The image is scaled by a factor drawn from the schedule's `scale`, unless its shorter side would end below S. Then S x S of it
    are cut out; a side below S is kept whole and stretched to S. Points outside the part go.

    Draws from torch's global generator: the caller seeds it. Source: the repository of arXiv 2308.13814 (PET)
    """

    samples: Samples
    schedule: Schedule
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        size, item = self.schedule.image_size, self.samples[index]
        return stretched(*part(*scaled(*item, tuple(self.schedule.scale), size), size), size)


def scaled(image: Tensor, target: dict[str, Any], scale: tuple[float, float], size: int) -> Item:
    """The image times a drawn factor, bilinear without antialiasing, sides rounded down; as it is where that is too small."""
    factor = torch.empty(()).uniform_(*scale).item()
    sides = [int(side * factor) for side in image.shape[-2:]]
    if min(sides) < size or sides == list(image.shape[-2:]):
        return image, target
    return vision.resize(image, sides, antialias=False), target | {"points": vision.resize(target["points"], sides)}


def part(image: Tensor, target: dict[str, Any], size: int) -> Item:
    """A random part of at most S x S, with the points in it or on its edge."""
    height, width = (min(side, size) for side in image.shape[-2:])
    top, left = (int(torch.randint(max(side - size, 0) + 1, ())) for side in image.shape[-2:])
    xy = target["points"].as_subclass(Tensor) - torch.tensor([left, top])
    inside = ((xy >= 0) & (xy <= torch.tensor([width, height]))).all(1)
    return vision.crop(image, top, left, height, width), target | {"points": on_image(xy[inside], (height, width))}


def stretched(image: Tensor, target: dict[str, Any], size: int) -> Item:
    """The sides below S brought to S, by the nearest pixel, as published networks have been trained; points follow."""
    if tuple(image.shape[-2:]) == (size, size):
        return image, target
    image = vision.resize(image, [size, size], v2.InterpolationMode.NEAREST_EXACT)
    return image, target | {"points": vision.resize(target["points"], [size, size])}


class HorizontalFlip(v2.RandomHorizontalFlip):
    """torchvision's, whose points go from x to width - 1 - x; here they go to width - x, since pixel i covers [i, i + 1]."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not isinstance(inpt, tv_tensors.KeyPoints):
            return super().transform(inpt, params)
        xy, size = inpt.as_subclass(Tensor), inpt.canvas_size
        return on_image(torch.stack([size[1] - xy[:, 0], xy[:, 1]], dim=1), size)
