"""Image files with boxes: one box checked, one image, one split, and what the data sets of such files share. Used by `voc` and
`coco`; `scene_boxes` makes its targets in the same way."""

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torchvision import tv_tensors

from evaluators.data import checked, pictures
from evaluators.data.pairs import part_of
from evaluators.data.rooted import folder_at
from evaluators.letterbox import letterbox, on_canvas
from registry import nearest

SLACK_PX = 1.0
"""How far a box may reach past its image: annotation tools round, and some count pixels from 0 where VOC counts from 1."""

Split = Literal["train", "val"]
Box = tuple[float, float, float, float]
Object = tuple[float, float, float, float, str, bool]
"""x1, y1, x2, y2 in pixels of the file, the class, and whether scores ignore it: what a reader makes of one annotated object."""


@dataclass(frozen=True, eq=False)
class BoxedImage:
    """One image on disk with its truth: `source` is the file that holds the annotation, `size` (width, height) as that file says or
    as the image is; xyxy (N, 4) float32 in pixels, one class name and one `ignored` (N,) bool for each box."""

    path: Path
    source: Path
    size: tuple[int, int]
    xyxy: np.ndarray
    names: tuple[str, ...]
    ignored: np.ndarray

    @classmethod
    def of(cls, path: str, source: str, size: Sequence[int], objects: Sequence[Object]) -> "BoxedImage":
        """From values that JSON can hold, as readers return and `checked` remembers them."""
        xyxy = np.array([entry[:4] for entry in objects], np.float32).reshape(-1, 4)
        ignored = np.array([entry[5] for entry in objects], bool)
        return cls(Path(path), Path(source), (size[0], size[1]), xyxy, tuple(entry[4] for entry in objects), ignored)

    def read(self) -> tv_tensors.Image:
        """The pixels (3, H, W) as they are stored or, where only that has the annotated size, turned upright as EXIF says."""
        image = pictures.read(self.path)
        return image if image.shape[:0:-1] == self.size else pictures.read(self.path, upright=True)

    def check(self) -> None:
        """ValueError where the image cannot be decoded to its end or has another size than its annotation says."""
        size = pictures.size(self.path)
        if size != self.size and self.read().shape[:0:-1] != self.size:
            expected = "x".join(map(str, self.size))
            raise ValueError(f"{self.path}: {size[0]}x{size[1]} pixels; expected {expected}, which {self.source} says")
        decode(self.path)


@dataclass(frozen=True, eq=False)
class BoxedSet:
    """One split on disk. With `size` (validation) images are letterboxed to it; without it they come as they are."""

    images: tuple[BoxedImage, ...]
    class_names: tuple[str, ...]
    size: int | None

    @property
    def uniform(self) -> bool:
        return self.size is not None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, dict[str, Any]]:
        truth = self.images[index]
        image = truth.read()
        labels = [self.label_of[name] for name in truth.names]
        target = target_of(truth.xyxy, labels, truth.ignored, size=(image.shape[-2], image.shape[-1]))
        return (image, target) if self.size is None else letterbox(image, target, self.size)

    @functools.cached_property
    def label_of(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.class_names)}


@dataclass(frozen=True)
class BoxedFiles(ABC):
    """What the data sets of image files with boxes share; each finds and reads its own annotations (`images`).

    Training images come as they are, validation images letterboxed to the schedule's size. An image without boxes is allowed.
    `drop_flat` leaves out boxes of no width or no height; without it they are errors.
    """

    root: str | None = None
    drop_flat: bool = False

    target: ClassVar[str] = "boxes"
    expected: ClassVar[str] = ""  # tells a user what root should be

    @functools.cached_property
    def folder(self) -> Path:
        """`root` as a path; ValueError where it is not given or not there."""
        return folder_at(self.root, expected=self.expected)

    @abstractmethod
    def images(self, split: Split) -> tuple[BoxedImage, ...]:
        """A split's images, in a fixed order, their annotations read and their boxes checked."""

    @property
    @abstractmethod
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def classes(self) -> int:
        return len(self.class_names)

    def check(self) -> None:
        """Both splits listed, every annotation read, every image decoded to its end and its size compared with the annotation's.

        Decoding takes 1 to 2 ms of a core for a JPEG of 0.1 to 0.2 MB, by threads: seconds for VOC, some 4 minutes of one core for
        all of COCO. It is remembered for unchanged files.
        """
        train, val = self.images("train"), self.images("val")
        for split, images in (("train", train), ("val", val)):
            check_classes(images, self.class_names)
            if all(image.ignored.all() for image in images):
                raise ValueError(f"{images[0].source}: none of the {split} split's {len(images)} images has a box that is scored")
        check_apart(train, val)
        found = {image.path: image for image in train + val}
        for image in found.values():
            check_present(image.path, image.source)
        facts = ("boxed images, decoded", [image.size for image in found.values()])
        checked.remembered(lambda: checked.each(BoxedImage.check, list(found.values())), found, facts=facts)

    def train_set(self, size: int, fraction: float, seed: int) -> BoxedSet:
        return BoxedSet(part_of(self.images("train"), fraction, seed), self.class_names, None)

    def val_set(self, size: int) -> BoxedSet:
        return BoxedSet(self.images("val"), self.class_names, size)


def target_of(xyxy: np.ndarray, labels: Sequence[int], ignored: np.ndarray, *, size: tuple[int, int]) -> dict[str, Any]:
    """A sample's target of kind 'boxes' (see `Samples`): boxes (N, 4) in pixels of an image of `size` (height, width), as large as
    its file, labels (N,), ignored (N,)."""
    return {
        "boxes": on_canvas(torch.tensor(xyxy), size),
        "labels": torch.tensor(labels, dtype=torch.int64),
        "ignored": torch.tensor(ignored),
        "scale": 1.0,
    }


def within(box: Box, size: tuple[int, int], where: str, *, drop_flat: bool) -> Box | None:
    """The box (x1, y1, x2, y2), what reaches past its image of `size` (width, height) by a rounding cut off; None for one of no
    width or no height where these are dropped. ValueError where it reaches further or has no area; `where` says which object."""
    (x1, y1, x2, y2), (width, height) = box, size
    if min(x1, y1) < -SLACK_PX or x2 > width + SLACK_PX or y2 > height + SLACK_PX:
        raise ValueError(f"{where} lies outside its image; expected one within its {width}x{height} pixels")
    if x1 > x2 or y1 > y2:
        raise ValueError(f"{where} ends before it begins; expected a width and a height above 0")
    left, top, right, bottom = max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
    if left < right and top < bottom:
        return left, top, right, bottom
    if not drop_flat:
        raise ValueError(f"{where} has no area in its image; expected a width and a height above 0, or data.drop_flat=true")
    return None


def decode(path: Path) -> None:
    """ValueError naming an image that is cut short, which its header does not tell. A JPEG is brought to an eighth of its sides
    meanwhile: all of the file is read all the same."""
    try:
        with Image.open(path) as file:
            file.draft(None, (1, 1))
            file.load()
    except pictures.UNREADABLE as error:
        raise ValueError(f"{path}: not a readable image ({error})") from None


def check_present(path: Path, source: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: missing image; expected it, since {source} names it")


def check_classes(images: Iterable[BoxedImage], known: tuple[str, ...]) -> None:
    """ValueError for a box of a class that is not known."""
    allowed = frozenset(known)
    for image in images:
        for name in image.names:
            if name not in allowed:
                raise ValueError(f"{image.source}: unknown class '{name}'; {nearest(name, list(known))}")


def check_apart(train: tuple[BoxedImage, ...], val: tuple[BoxedImage, ...]) -> None:
    """ValueError where splits share images: scores would be of what was learned. One split named as both is taken as meant."""
    learned, judged = ({image.path for image in split} for split in (train, val))
    shared = sorted(learned & judged)
    if shared and learned != judged:
        raise ValueError(
            f"{shared[0]}: {len(shared)} of the {len(judged)} validation images are trained on too; expected splits that share none"
        )
