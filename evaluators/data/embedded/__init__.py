"""The data that the repository carries: 5,000 garments (Fashion-MNIST, MIT) and ten public-domain photographs. See NOTICE.md."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image
from scipy.ndimage import binary_fill_holes

HERE = Path(__file__).parent
Split = Literal["train", "val"]
VAL_PHOTOS = ("brick", "coffee", "rocket")
"""A texture, an object and a landscape are kept from training; the other seven photographs are never seen in validation."""

NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
"""The published names of garment classes 0 to 9."""


@dataclass(frozen=True)
class Garments:
    """One split. `images` (N, 28, 28) uint8 grey on black; `labels` (N,) 0 to 9; `silhouettes` (N, 28, 28) uint8, 255 inside."""

    images: np.ndarray
    labels: np.ndarray
    silhouettes: np.ndarray


@functools.cache
def garments(split: Split) -> Garments:
    """The garments of a split: 4,000 of the published training set for `train`, 1,000 of its test set for `val`."""
    with np.load(HERE / "garments.npz") as arrays:
        images, labels = arrays[f"{split}_images"], arrays[f"{split}_labels"]
    filled = np.stack([binary_fill_holes(image > 8) for image in images])
    return Garments(images, labels, filled.astype(np.uint8) * 255)


@functools.cache
def photographs(split: Split) -> tuple[Image.Image, ...]:
    """The photographs of a split in RGB, in the order of their names; the splits share none."""
    paths = sorted((HERE / "photos").glob("*.jpg"))
    return tuple(Image.open(path).convert("RGB") for path in paths if (path.stem in VAL_PHOTOS) == (split == "val"))


def check() -> None:
    """ValueError where the installation lacks the embedded files."""
    expected = {
        "garments.npz": (HERE / "garments.npz").is_file(),
        "photos/*.jpg (10)": len(list((HERE / "photos").glob("*.jpg"))) == 10,
    }
    for name, present in expected.items():
        if not present:
            raise ValueError(
                f"{HERE / name}: missing from this installation; install from a whole checkout or run {HERE / 'rebuild.py'}"
            )
