"""Scenes of embedded garments on embedded photographs: how one is composed, and what of each garment shows in it. Used by `scenes`,
`scene_boxes` and `scene_points`."""

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageOps

from evaluators.data import embedded

TOP, LEGWEAR, FOOTWEAR, BAG = range(4)
KINDS = ("top", "legwear", "footwear", "bag")
KIND_OF_GARMENT = (TOP, LEGWEAR, TOP, LEGWEAR, TOP, FOOTWEAR, TOP, FOOTWEAR, BAG, FOOTWEAR)
"""The kind of each garment label 0 to 9. All ten kept apart cannot be learned in a short run; these four can."""


@dataclass(frozen=True)
class Layout:
    """How scenes are laid out: `garments` [fewest, most] in each, `extent` [smallest, largest] side of one as a part of the
    image's, whether the photographs are to `recolour`, `size` of the image in pixels, and the `seed`."""

    size: int
    garments: tuple[int, int]
    extent: tuple[float, float]
    recolour: bool
    seed: int


@dataclass(frozen=True)
class ComposedScenes(ABC):
    """What the data sets of scenes share: their settings and these settings' checks. Each renders scenes with its own truth.

    Training and validation share neither a garment nor a photograph. Scene i of a split is a function of (seed, split, i), so any
    worker makes the same one.
    """

    root: str | None = None
    train_count: int = 2000
    val_count: int = 300
    garments: list[int] = field(default_factory=lambda: [1, 1])
    extent: list[float] = field(default_factory=lambda: [0.5, 0.95])
    recolour: bool = False
    seed: int = 0

    on_disk: ClassVar[str] = ""  # the data sets of this kind of truth that do read a folder

    def __post_init__(self):
        if self.root is not None:
            raise ValueError(
                f"data.root: scenes are generated and read no folder, but {self.root!r} was given; name {self.on_disk}"
            )
        for name, count in (("train_count", self.train_count), ("val_count", self.val_count)):
            if count < 1:
                raise ValueError(f"data.{name}: {count} scenes; at least 1 is needed")
        if len(self.garments) != 2 or not 0 <= self.garments[0] <= self.garments[1] <= 100 or not self.garments[1]:
            raise ValueError(f"data.garments: {self.garments}; expected [fewest, most] garments a scene, 0 to 100, most not 0")
        if len(self.extent) != 2 or not 0 < self.extent[0] <= self.extent[1] <= 1:
            raise ValueError(
                f"data.extent: {self.extent}; expected [smallest, largest] side of a garment as a part of the image's, 0 to 1"
            )

    def check(self) -> None:
        embedded.check()

    def train_set(self, size: int, fraction: float, seed: int) -> Any:
        """The first scenes of the split: they are drawn independently, so `seed` has nothing to choose."""
        return self.render("train", math.ceil(self.train_count * fraction), self.layout(size))

    def val_set(self, size: int) -> Any:
        return self.render("val", self.val_count, self.layout(size))

    def layout(self, size: int) -> Layout:
        return Layout(size, tuple(self.garments), tuple(self.extent), self.recolour, self.seed)

    @abstractmethod
    def render(self, split: embedded.Split, count: int, layout: Layout) -> Any:
        """The first `count` scenes of a split as `Samples`, made once for each process."""


@dataclass(frozen=True, eq=False)
class Shown:
    """What shows of one garment: its label 0 to 9, the visible `part` (0 to 1) of its silhouette, and where its visible pixels lie:
    `rows` and `columns` (P,), P = 0 where it is hidden whole."""

    label: int
    part: float
    rows: np.ndarray
    columns: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 around the visible pixels, in pixels, their whole area within; none may be hidden whole."""
        return int(self.columns.min()), int(self.rows.min()), int(self.columns.max()) + 1, int(self.rows.max()) + 1


@dataclass(frozen=True, eq=False)
class Scene:
    """`image` (S, S, 3) uint8; `owner` (S, S) uint8: 0 where the photograph shows, k where the k-th garment is on top; of each
    garment its label and the `areas` in pixels of its whole silhouette, what is covered or cut off included."""

    image: np.ndarray
    owner: np.ndarray
    garments: tuple[int, ...]
    areas: tuple[int, ...]

    def shown(self) -> Iterator[Shown]:
        """The garments, the lowest first."""
        for number, (label, area) in enumerate(zip(self.garments, self.areas, strict=True), start=1):
            rows, columns = np.nonzero(self.owner == number)
            yield Shown(label, len(rows) / max(area, 1), rows, columns)


def composed(split: embedded.Split, count: int, layout: Layout) -> Iterator[Scene]:
    """The first `count` scenes of a split: about a millisecond a scene at 64 pixels."""
    for index in range(count):
        yield compose(random.Random(f"{layout.seed}/{split}/{index}"), split, layout)


def compose(rng: random.Random, split: embedded.Split, layout: Layout) -> Scene:
    """Draw one scene: a photograph's crop, and the garments that lie on it."""
    size = layout.size
    canvas, owner = crop_of_photograph(rng, split, size=size), Image.new("L", (size, size))
    if layout.recolour:
        canvas = recoloured(canvas, rng)
    source = embedded.garments(split)
    labels, areas = [], []
    for number in range(1, rng.randint(*layout.garments) + 1):
        chosen = rng.randrange(len(source.images))
        side = size * rng.uniform(*layout.extent)
        flip, angle = rng.random() < 0.5, rng.uniform(-25, 25)
        grey = placed(source.images[chosen], side, flip=flip, angle=angle)
        inside = placed(source.silhouettes[chosen], side, flip=flip, angle=angle).point(lambda v: 255 * (v > 127))
        corner = tuple(round(rng.uniform(-0.15 * side, size - 0.85 * side)) for _ in "xy")
        tint = tuple(rng.randint(96, 255) for _ in "rgb")
        canvas.paste(ImageOps.colorize(grey, (0, 0, 0), tint), corner, inside)
        owner.paste(number, corner, inside)
        labels.append(int(source.labels[chosen]))
        areas.append(inside.histogram()[255])
    return Scene(np.asarray(canvas), np.asarray(owner), tuple(labels), tuple(areas))


def crop_of_photograph(rng: random.Random, split: embedded.Split, *, size: int) -> Image.Image:
    """A square of 0.35 to 1 times a photograph's shorter side, brought to `size`, mirrored half of the time."""
    photo = rng.choice(embedded.photographs(split))
    side = min(photo.size) * rng.uniform(0.35, 1)
    left, top = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
    crop = photo.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def recoloured(photo: Image.Image, rng: random.Random) -> Image.Image:
    """The photograph with its channels exchanged and each channel's contrast (0.4 to 1) and darkest value drawn anew.

    Ten photographs are few: with colours of their own, those of validation would differ from all that training has seen, and what
    a network scores would be a matter of luck.
    """
    channels = rng.sample(photo.split(), 3)
    contrasts = [rng.uniform(0.4, 1) for _ in channels]
    darkest = [rng.uniform(0, 255 * (1 - contrast)) for contrast in contrasts]
    tables = [[round(low + contrast * value) for value in range(256)] for low, contrast in zip(darkest, contrasts, strict=True)]
    return Image.merge("RGB", [channel.point(table) for channel, table in zip(channels, tables, strict=True)])


def placed(grey: np.ndarray, side: float, *, flip: bool, angle: float) -> Image.Image:
    """A garment (28, 28), or its silhouette, as it lies in the scene: enlarged, mirrored, turned by `angle` degrees."""
    image = Image.fromarray(grey).resize((round(side), round(side)), Image.Resampling.BILINEAR)
    return (ImageOps.mirror(image) if flip else image).rotate(angle, Image.Resampling.BILINEAR, expand=True)
