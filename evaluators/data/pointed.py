"""Image files with points: the points of one image checked, one image, one split, and what the data sets of such files share. Used
by `points` and `shanghaitech`; `scene_points` makes its targets in the same way."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor
from torchvision import tv_tensors

from evaluators.data import pictures
from evaluators.data.pairs import IMAGE_ENDINGS, part_of
from evaluators.data.rooted import folder_at

SMALLEST_SIDE = 16
"""Counting networks halve an image four times."""

SLACK_PX = 1.0
"""How far a point may lie outside its image: annotation tools round, and some count pixels from 1."""

SIDEWAYS = (5, 6, 7, 8)
"""The EXIF orientations that exchange width and height."""

Split = Literal["train", "val"]
Row = tuple[str, str, list[list[float]]]
"""The path of an image, that of the file that annotates it, its points: what a reader makes of one image, as JSON can hold it."""


@dataclass(frozen=True, eq=False)
class PointedImage:
    """One image on disk with its truth: `source` is the file that holds the points, xy (N, 2) float32 in pixels of the image as its
    EXIF turns it or, without `upright`, as it is stored."""

    path: Path
    source: Path
    xy: np.ndarray
    upright: bool

    @classmethod
    def of(cls, row: Row, *, upright: bool) -> "PointedImage":
        path, source, points = row
        return cls(Path(path), Path(source), np.array(points, np.float32).reshape(-1, 2), upright)


@dataclass(frozen=True, eq=False)
class PointedSet:
    """One split on disk, its images whole and as large as they are."""

    images: tuple[PointedImage, ...]
    uniform: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict[str, Any]]:
        truth = self.images[index]
        image = pictures.read(truth.path, upright=truth.upright)
        return image, target_of(truth.xy, (image.shape[-2], image.shape[-1]))


@dataclass(frozen=True)
class PointedFiles(ABC):
    """What the data sets of image files with points share; each finds and reads its own annotations (`images`).

    Images come as they are, in training and in validation; `Crops` cuts training's. An image without points is allowed.
    """

    root: str | None = None

    target: ClassVar[str] = "points"
    classes: ClassVar[int] = 1
    class_names: ClassVar[tuple[str, ...]] = ("object",)
    expected: ClassVar[str] = ""  # tells a user what root should be

    @functools.cached_property
    def folder(self) -> Path:
        """`root` as a path; ValueError where it is not given or not there."""
        return folder_at(self.root, expected=self.expected)

    @abstractmethod
    def images(self, split: Split) -> tuple[PointedImage, ...]:
        """A split's images, in a fixed order, their headers and annotations read and their points checked."""

    def check(self) -> None:
        """Both splits listed, every image's header and every annotation read; training has something to count."""
        train, _ = self.images("train"), self.images("val")
        source = train[0].source
        if not any(len(image.xy) for image in train):
            raise ValueError(f"{source}: none of the training split's {len(train)} images has a point; expected some to count")

    def train_set(self, size: int, fraction: float, seed: int) -> PointedSet:
        return PointedSet(part_of(self.images("train"), fraction, seed))

    def val_set(self, size: int) -> PointedSet:
        return PointedSet(self.images("val"))


def target_of(xy: np.ndarray, size: tuple[int, int]) -> dict[str, Any]:
    """A sample's target of kind 'points' (see `Samples`): points (N, 2) in pixels of an image of `size` (height, width)."""
    return {"points": on_image(torch.tensor(xy), size)}


def on_image(xy: Tensor, size: tuple[int, int]) -> tv_tensors.KeyPoints:
    """Points (N, 2) as torchvision's transforms take them, of an image of `size` (height, width)."""
    return tv_tensors.KeyPoints(xy, canvas_size=size)


def listed(folder: Path) -> list[Path]:
    """The images in a folder, sorted; ValueError where it is missing or has none."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: missing folder; expected the images of the split in it")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_ENDINGS and not path.name.startswith("."))
    if not paths:
        raise ValueError(f"{folder}: no image in this folder; expected files ending in {', '.join(IMAGE_ENDINGS)}")
    return paths


def size_of(path: Path, *, upright: bool) -> tuple[int, int]:
    """(width, height) from the header, turned upright or as stored; ValueError where the file is no readable image or too small."""
    width, height = pictures.size(path)
    if min(width, height) < SMALLEST_SIDE:
        raise ValueError(f"{path}: {width}x{height} pixels; expected sides of {SMALLEST_SIDE} or more")
    if not upright:
        return width, height
    try:
        with Image.open(path) as file:
            turned = file.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
    except pictures.UNREADABLE as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None
    return (height, width) if turned else (width, height)


def within(points: Sequence[Sequence[float]], size: tuple[int, int], where: str, *, slack: float) -> list[list[float]]:
    """The points (x, y), those beside an image of `size` (width, height) by at most `slack` pixels moved onto its edge. ValueError
    where one is no number or farther out; `where` says which file."""
    xy = np.array(points, np.float64).reshape(-1, 2)
    outside = ~((xy >= -slack) & (xy <= np.array(size) + slack)).all(1)  # not a number is outside too
    for place in outside.nonzero()[0][:1]:
        x, y = xy[place]
        swapped = (xy[:, ::-1] <= np.array(size)).all() and (xy >= 0).all()
        hint = "; are x and y exchanged?" if swapped else ""
        raise ValueError(
            f"{where}: point {place + 1} (x {x:g}, y {y:g}) lies outside its image; "
            f"expected one within its {size[0]}x{size[1]} pixels{hint}"
        )
    return xy.clip(0, size).tolist()
