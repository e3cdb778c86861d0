"""Bring an image of any shape onto a square without distorting it, its boxes with it."""

from typing import Any

from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as vision

GREY = 114
"""What fills the part of a square (or of a mosaic) that no image covers."""

Item = tuple[Tensor, dict[str, Any]]
"""An image (3, H, W) and a target of kind 'boxes', as `Samples` describes them."""


def letterbox(image: Tensor, target: dict[str, Any], size: int) -> Item:
    """The image with its longer side brought to `size`, in the top left of a grey square of size x size.

    Shapes: (3, H, W) -> (3, size, size). Boxes follow, unclipped; `target["scale"]` is multiplied by the ratio, so boxes found on
    the square, divided by it, are those of the file. Source: arXiv 2107.08430 (YOLOX)
    """
    return padded(*fitted(image, target, size), size)


def fitted(image: Tensor, target: dict[str, Any], size: int) -> Item:
    """`letterbox` without the grey: (3, H, W) -> (3, h, w), the longer of h and w being `size`.

    Bilinear without antialiasing, sides rounded down, boxes times the ratio itself: what published detectors have been trained on.
    """
    height, width = image.shape[-2:]
    longer = max(height, width)
    sides = (max(1, height * size // longer), max(1, width * size // longer))
    if sides != (height, width):
        image = vision.resize(image, list(sides), antialias=False)
    ratio = size / longer
    boxes = target["boxes"].as_subclass(Tensor) * ratio
    return image, target | {"boxes": on_canvas(boxes, sides), "scale": target["scale"] * ratio}


def padded(image: Tensor, target: dict[str, Any], size: int) -> Item:
    """Grey to the right of the image and below it, up to size x size; boxes stay where they are."""
    height, width = image.shape[-2:]
    if (height, width) != (size, size):
        image = vision.pad(image, [0, 0, size - width, size - height], fill=GREY)
    return image, target | {"boxes": on_canvas(target["boxes"].as_subclass(Tensor), (size, size))}


def on_canvas(xyxy: Tensor, size: tuple[int, int]) -> tv_tensors.BoundingBoxes:
    """Boxes (N, 4) as torchvision's transforms take them, of an image of `size` (height, width)."""
    return tv_tensors.BoundingBoxes(xyxy, format="XYXY", canvas_size=size)
