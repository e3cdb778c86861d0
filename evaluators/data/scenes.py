"""The embedded data set: garments on photographs. Nothing is downloaded."""

import functools
import math
import random
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision import tv_tensors

from evaluators.data import DATA, embedded

BACKGROUND, TOP, LEGWEAR, FOOTWEAR, BAG = range(5)
CLASS_OF_GARMENT = (TOP, LEGWEAR, TOP, LEGWEAR, TOP, FOOTWEAR, TOP, FOOTWEAR, BAG, FOOTWEAR)
"""The class of each garment label 0 to 9. All ten kept apart cannot be learned in a short run; these four can."""


@DATA.register("scenes")
@dataclass(frozen=True)
class Scenes:
    """Garments (Fashion-MNIST) cut out, turned, tinted and laid on crops of ten public-domain photographs. The pixels are real,
    the layout is generated: figures from here rank architectures, and are no benchmark of anything else.

    Five classes: the photograph itself, tops, legwear (dresses with trousers), footwear, bags. Training and validation share
    neither a garment nor a photograph. Scene i of a split is a function of (seed, split, i), so any worker makes the same one.
    """

    root: str | None = None
    train_count: int = 2000
    val_count: int = 300
    garments: list[int] = field(default_factory=lambda: [1, 1])
    extent: list[float] = field(default_factory=lambda: [0.5, 0.95])
    seed: int = 0

    target: ClassVar[str] = "mask"
    classes: ClassVar[int] = 5
    class_names: ClassVar[tuple[str, ...]] = ("background", "top", "legwear", "footwear", "bag")

    def __post_init__(self):
        if self.root is not None:
            raise ValueError(
                f"data.root: scenes are generated and read no folder, but {self.root!r} was given; name data=ade20k or data=folder"
            )
        for name, count in (("train_count", self.train_count), ("val_count", self.val_count)):
            if count < 1:
                raise ValueError(f"data.{name}: {count} scenes; at least 1 is needed")
        if len(self.garments) != 2 or not 1 <= self.garments[0] <= self.garments[1] <= 100:
            raise ValueError(f"data.garments: {self.garments}; expected [fewest, most] garments a scene, 1 to 100")
        if len(self.extent) != 2 or not 0 < self.extent[0] <= self.extent[1] <= 1:
            raise ValueError(
                f"data.extent: {self.extent}; expected [smallest, largest] side of a garment as a part of the image's, 0 to 1"
            )

    def check(self) -> None:
        embedded.check()

    def train_set(self, size: int, fraction: float, seed: int) -> "SceneSet":
        """The first scenes of the split: they are drawn independently, so `seed` has nothing to choose."""
        return self._render("train", math.ceil(self.train_count * fraction), size=size)

    def val_set(self, size: int) -> "SceneSet":
        return self._render("val", self.val_count, size=size)

    def _render(self, split: embedded.Split, count: int, *, size: int) -> "SceneSet":
        garments, extent = tuple(self.garments), tuple(self.extent)
        return rendered(split, count, size=size, seed=self.seed, garments=garments, extent=extent)


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
def rendered(
    split: embedded.Split, count: int, *, size: int, seed: int, garments: tuple[int, int], extent: tuple[float, float]
) -> SceneSet:
    """The first `count` scenes of a split, made once for each process: about a millisecond a scene at 64 pixels."""
    images = np.empty((count, size, size, 3), np.uint8)
    masks = np.empty((count, size, size), np.uint8)
    labels = np.zeros(256, np.uint8)
    for index in range(count):
        scene = compose(random.Random(f"{seed}/{split}/{index}"), split, size=size, garments=garments, extent=extent)
        images[index] = scene.image
        labels[1 : len(scene.garments) + 1] = [CLASS_OF_GARMENT[label] for label in scene.garments]
        masks[index] = labels[scene.owner]
    return SceneSet(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(masks))


@dataclass(frozen=True, eq=False)
class Scene:
    """`image` (S, S, 3) uint8; `owner` (S, S) uint8: 0 where the photograph shows, k where the k-th garment is on top."""

    image: np.ndarray
    owner: np.ndarray
    garments: tuple[int, ...]


def compose(
    rng: random.Random, split: embedded.Split, *, size: int, garments: tuple[int, int], extent: tuple[float, float]
) -> Scene:
    """Draw one scene: a photograph's crop, on it garments[0] to garments[1] garments, each extent[0] to extent[1] times as wide."""
    canvas, owner = crop_of_photograph(rng, split, size=size), Image.new("L", (size, size))
    source = embedded.garments(split)
    labels = []
    for number in range(1, rng.randint(*garments) + 1):
        chosen = rng.randrange(len(source.images))
        side = size * rng.uniform(*extent)
        flip, angle = rng.random() < 0.5, rng.uniform(-25, 25)
        grey = placed(source.images[chosen], side, flip=flip, angle=angle)
        inside = placed(source.silhouettes[chosen], side, flip=flip, angle=angle).point(lambda v: 255 * (v > 127))
        corner = tuple(round(rng.uniform(-0.15 * side, size - 0.85 * side)) for _ in "xy")
        tint = tuple(rng.randint(96, 255) for _ in "rgb")
        canvas.paste(ImageOps.colorize(grey, (0, 0, 0), tint), corner, inside)
        owner.paste(number, corner, inside)
        labels.append(int(source.labels[chosen]))
    return Scene(np.asarray(canvas), np.asarray(owner), tuple(labels))


def crop_of_photograph(rng: random.Random, split: embedded.Split, *, size: int) -> Image.Image:
    """A square of 0.35 to 1 times a photograph's shorter side, brought to `size`, mirrored half of the time."""
    photo = rng.choice(embedded.photographs(split))
    side = min(photo.size) * rng.uniform(0.35, 1)
    left, top = rng.uniform(0, photo.width - side), rng.uniform(0, photo.height - side)
    crop = photo.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def placed(grey: np.ndarray, side: float, *, flip: bool, angle: float) -> Image.Image:
    """A garment (28, 28), or its silhouette, as it lies in the scene: enlarged, mirrored, turned by `angle` degrees."""
    image = Image.fromarray(grey).resize((round(side), round(side)), Image.Resampling.BILINEAR)
    return (ImageOps.mirror(image) if flip else image).rotate(angle, Image.Resampling.BILINEAR, expand=True)
