"""The embedded garments, to be classified. Nothing is downloaded."""

import functools
from dataclasses import dataclass
from typing import ClassVar

import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from evaluators.data import DATA, embedded
from evaluators.data.labelled import balanced_part

CHUNK = 500  # images resized at a time: the resizing works in fp32


@DATA.register("garments")
@dataclass(frozen=True)
class Garments:
    """A class-balanced part of Fashion-MNIST: 4,000 training and 1,000 validation garments of ten kinds, grey as three equal
    channels, brought from 28x28 pixels to the asked size bilinearly. Figures from here rank architectures; they are no benchmark.

    A fraction of the training set is the same part of each kind, chosen by the seed; a smaller one is contained in a larger.
    """

    root: str | None = None

    target: ClassVar[str] = "label"
    classes: ClassVar[int] = 10
    class_names: ClassVar[tuple[str, ...]] = embedded.NAMES

    def __post_init__(self):
        if self.root is not None:
            raise ValueError(
                f"data.root: the garments are embedded and read no folder, but {self.root!r} was given; "
                "name data=image_folder, imagenet or tiny_imagenet"
            )

    def check(self) -> None:
        embedded.check()

    def train_set(self, size: int, fraction: float, seed: int) -> "GarmentSet":
        chosen = balanced_part(embedded.garments("train").labels.tolist(), fraction, seed)
        return GarmentSet(*enlarged("train", size), tuple(chosen))

    def val_set(self, size: int) -> "GarmentSet":
        images, labels = enlarged("val", size)
        return GarmentSet(images, labels, tuple(range(len(images))))


@dataclass(frozen=True, eq=False)
class GarmentSet:
    """Garments held in memory: images (N, 1, S, S) uint8, labels of all N, and the indices of those that belong to this set."""

    images: torch.Tensor
    labels: tuple[int, ...]
    chosen: tuple[int, ...]
    uniform: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, int]:
        place = self.chosen[index]
        return tv_tensors.Image(self.images[place].expand(3, -1, -1)), self.labels[place]


@functools.lru_cache(maxsize=4)
def enlarged(split: embedded.Split, size: int) -> tuple[torch.Tensor, tuple[int, ...]]:
    """All images (N, 1, S, S) uint8 and labels of a split, made once for each process."""
    source = embedded.garments(split)
    images = torch.from_numpy(source.images)[:, None]
    parts = [v2.functional.resize(part, [size, size]) for part in images.split(CHUNK)]
    return torch.cat(parts), tuple(source.labels.tolist())
