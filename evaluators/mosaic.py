"""Mosaic: four training images on one canvas, turned, scaled and sheared together. Legend: S the schedule's image size, N boxes."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torchvision import tv_tensors

from evaluators.data import Samples
from evaluators.letterbox import GREY, Item, fitted, on_canvas, padded
from evaluators.schedule import Schedule

MOST_BOXES = 120
SMALLEST_SIDE = 1.0  # pixels; what is not larger than this is no object to learn from


@dataclass(frozen=True, eq=False)
class Mosaic:
    """A training split of kind 'boxes' in S x S: with the schedule's probability a mosaic, otherwise the image letterboxed.

    A mosaic is the image and three drawn at random, each fitted to S, around a random centre on a canvas of 2S x 2S, of which
    `Warp` shows a part. One in which no box is left is not shown, its first image is, letterboxed. Boxes are clipped to what is
    seen of their image; those of at most a pixel's width or height go, and so do all after the first 120. A mosaic has no one
    `scale`: it says 1. `closing`: no mosaic, as in the last epochs of a training.

    Draws from torch's global generator: the caller seeds it. Source: arXiv 2107.08430 (YOLOX), 2004.10934 (YOLOv4)
    """

    samples: Samples
    schedule: Schedule
    closing: bool = False
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Item:
        first = self.samples[index]
        if not self.closing and between(0, 1) < self.schedule.mosaic:
            image, target = self._mosaic(first)
            if len(target["labels"]):
                return image, target
        image, target = fitted(*first, self.schedule.image_size)
        seen = clipped(target["boxes"].as_subclass(Tensor), (0, 0, image.shape[-1], image.shape[-2]))
        return padded(image, chosen(target | {"boxes": on_canvas(seen, tuple(image.shape[-2:]))}), self.schedule.image_size)

    def _mosaic(self, first: Item) -> Item:
        size = self.schedule.image_size
        others = torch.randint(len(self.samples), (3,)).tolist()
        tiles = [fitted(*item, size) for item in (first, *(self.samples[index] for index in others))]
        canvas, xyxy = four(tiles, size)
        warp = Warp.drawn(self.schedule)
        target = {name: torch.cat([tile[name] for _, tile in tiles]) for name in ("labels", "ignored")}
        boxes = on_canvas(clipped(warp.boxes(xyxy), (0, 0, size, size)), (size, size))
        return warp.image(canvas, size), chosen({"boxes": boxes, **target, "scale": 1.0})


@dataclass(frozen=True)
class Warp:
    """An affine map about the canvas's origin, its top left corner: point -> linear @ point + shift, x before y, in pixels.

    linear (2, 2), shift (2,). Pixel i covers [i, i + 1], for the image as for its boxes; the published code has pixel centres at
    whole numbers, so its images lie up to half a pixel beside its boxes.
    """

    linear: Tensor
    shift: Tensor

    @classmethod
    def drawn(cls, schedule: Schedule) -> "Warp":
        """Rotation and scale first, then both shears at once, then the translation."""
        angle = math.radians(between(-schedule.degrees, schedule.degrees))
        scale = between(*schedule.mosaic_scale)
        shears = [math.tan(math.radians(between(-schedule.shear, schedule.shear))) for _ in "xy"]
        reach = schedule.translate * schedule.image_size
        turn = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) * scale
        shear = torch.tensor([[1.0, shears[0]], [shears[1], 1.0]])
        return cls(shear @ turn, torch.tensor([between(-reach, reach) for _ in "xy"]))

    def image(self, canvas: Tensor, size: int) -> tv_tensors.Image:
        """(3, 2S, 2S) float32, less `GREY` -> (3, S, S) uint8. Not by torchvision's affine: its output is as large as its input, so
        that three quarters of the work would be thrown away."""
        # affine_grid's coordinates are -1 and 1 at the edges: p = back @ (u - shift) with u = S (n + 1) / 2 and p = S (m + 1)
        back = torch.linalg.inv(self.linear)
        offset = back @ (0.5 - self.shift / size) - 1
        theta = torch.cat([back / 2, offset[:, None]], dim=1)
        grid = functional.affine_grid(theta[None], [1, 3, size, size], align_corners=False)
        seen = functional.grid_sample(canvas[None], grid, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
        return tv_tensors.Image(seen.add_(GREY).round_().to(torch.uint8))

    def boxes(self, xyxy: Tensor) -> Tensor:
        """The upright boxes around the warped ones: (N, 4) -> (N, 4)."""
        corners = xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2) @ self.linear.T + self.shift
        return torch.cat([corners.amin(1), corners.amax(1)], dim=1)


def four(tiles: list[Item], size: int) -> tuple[Tensor, Tensor]:
    """Four images around a random centre: the canvas (3, 2S, 2S) float32, less `GREY`, and all their boxes on it (N, 4)."""
    canvas = torch.zeros(3, 2 * size, 2 * size)
    centre_x, centre_y = (int(between(0.5 * size, 1.5 * size)) for _ in "xy")
    placed = []
    for place, (image, target) in enumerate(tiles):
        height, width = image.shape[-2:]
        left = centre_x - width if place in (0, 2) else centre_x
        top = centre_y - height if place in (0, 1) else centre_y
        x1, y1, x2, y2 = max(left, 0), max(top, 0), min(left + width, 2 * size), min(top + height, 2 * size)
        part = image.as_subclass(Tensor)[:, y1 - top : y2 - top, x1 - left : x2 - left]
        canvas[:, y1:y2, x1:x2].copy_(part).sub_(GREY)
        moved = target["boxes"].as_subclass(Tensor) + torch.tensor([left, top, left, top])
        placed.append(clipped(moved, (x1, y1, x2, y2)))
    return canvas, torch.cat(placed)


def clipped(xyxy: Tensor, frame: tuple[int, int, int, int]) -> Tensor:
    """Boxes (N, 4) without what lies outside `frame` (x1, y1, x2, y2)."""
    low, high = torch.tensor(frame[:2] * 2), torch.tensor(frame[2:] * 2)
    return torch.minimum(torch.maximum(xyxy, low), high)


def chosen(target: dict[str, Any]) -> dict[str, Any]:
    """The target with the boxes that are large enough to learn from, at most 120 of them."""
    boxes = target["boxes"].as_subclass(Tensor)
    large = ((boxes[:, 2:] - boxes[:, :2]) > SMALLEST_SIDE).all(1).nonzero()[:MOST_BOXES, 0]
    size = target["boxes"].canvas_size
    return target | {"boxes": on_canvas(boxes[large], size), **{name: target[name][large] for name in ("labels", "ignored")}}


def between(low: float, high: float) -> float:
    """A number drawn uniformly."""
    return torch.empty(()).uniform_(low, high).item()
