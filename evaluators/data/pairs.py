"""Images and masks in two folders with matching stems: finding them, checking them, reading them. Used by `ade20k` and `folder`."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision import tv_tensors
from torchvision.transforms import v2

from evaluators.data import checked, pictures

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
MASK_ENDINGS = (".png", ".bmp", ".tif", ".tiff")
IGNORED = 255
"""The id of pixels that are neither learned nor scored."""

Pair = tuple[Path, Path]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class PairSet:
    """One split on disk. `labels` (65536,) uint8 maps the ids in the files to classes. With `size` (validation) an image and its
    mask are brought to a shorter side of `size`, the longer one at most 4 * size, uncropped; without it they come as they are."""

    pairs: tuple[Pair, ...]
    labels: np.ndarray
    size: int | None
    uniform: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        image_path, mask_path = self.pairs[index]
        image = pictures.read(image_path)
        mask = tv_tensors.Mask(torch.from_numpy(self.labels[read_mask(mask_path)]))
        if self.size is None:
            return image, mask
        height, width = image.shape[-2:]
        factor = min(4 * self.size / max(height, width), self.size / min(height, width))
        target = [max(1, int(height * factor)), max(1, int(width * factor))]
        return v2.functional.resize(image, target), v2.functional.resize(mask, target)


def read_mask(path: Path) -> np.ndarray:
    """The ids of a mask (H, W) as they are stored: a palette image keeps its indices, its colours mean nothing here."""
    with Image.open(path) as file:
        if file.mode not in ("L", "P", "1", "I;16", "I"):
            raise ValueError(f"{path}: a mask of mode {file.mode}; expected one channel of class ids (greyscale or palette)")
        return np.asarray(file).astype(np.int64)


def find_split(root: Path, layouts: Iterable[tuple[str, str]]) -> tuple[Path, Path]:
    """The (image, mask) folders of the first of `layouts` that exists under root; ValueError naming what was looked for."""
    tried = []
    for images, masks in layouts:
        if (root / images).is_dir() and (root / masks).is_dir():
            return root / images, root / masks
        if (root / images).is_dir() or (root / masks).is_dir():
            lacking = root / (masks if (root / images).is_dir() else images)
            raise ValueError(f"{lacking}: missing folder; the layout needs {images}/ and {masks}/ under {root}")
        tried.append(f"{images}/ with {masks}/")
    raise ValueError(f"data.root: {root} holds none of the known layouts: {'; '.join(tried)}")


def match(images: Path, masks: Path) -> tuple[Pair, ...]:
    """Pair the files of two folders by stem, sorted; ValueError naming a file without its counterpart, or an empty split."""
    image_of, mask_of = stems(images, IMAGE_ENDINGS), stems(masks, MASK_ENDINGS)
    if not image_of:
        raise ValueError(f"{images}: no image in this folder; expected files ending in {', '.join(IMAGE_ENDINGS)}")
    for one, other, wanted, folder in ((image_of, mask_of, "a mask", masks), (mask_of, image_of, "an image", images)):
        alone = sorted(one.keys() - other.keys())
        if alone:
            more = f" (and {len(alone) - 1} more)" if len(alone) > 1 else ""
            raise ValueError(f"{one[alone[0]]}{more}: expected {wanted} of the same stem in {folder}")
    return tuple((image_of[stem], mask_of[stem]) for stem in sorted(image_of))


def stems(folder: Path, endings: tuple[str, ...]) -> dict[str, Path]:
    """Stem -> file, of the files with one of the endings; ValueError where two share a stem."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in endings and not path.name.startswith("."):
            if path.stem in found:
                raise ValueError(f"{path}: its stem is also that of {found[path.stem].name}; stems must be unique to find masks")
            found[path.stem] = path
    return found


def largest_class(pairs: tuple[Pair, ...], known: frozenset[int], *, ignored: frozenset[int], meaning: str) -> int:
    """Read every pair; the largest class id of all masks, -1 if none. ValueError naming the first file at fault.

    Headers of the images, all pixels of the masks: about half a minute for 20,000 masks on two cores. What was found is remembered
    for this user under the names, sizes and times of the files, so the next run of an unchanged data set starts at once.
    """
    facts = ("pairs", sorted(known), sorted(ignored))
    files = (path for pair in pairs for path in pair)

    def largest() -> int:
        return max(checked.each(lambda pair: check_pair(pair, known, ignored=ignored, meaning=meaning), pairs))

    return checked.remembered(largest, files, facts=facts)


def check_pair(pair: Pair, known: frozenset[int], *, ignored: frozenset[int], meaning: str) -> int:
    """The largest class id in a mask, -1 if none; ValueError for an unreadable file, unequal sizes or an id that means nothing."""
    image_path, mask_path = pair
    size = pictures.size(image_path)
    try:
        mask = read_mask(mask_path)
    except (OSError, UnidentifiedImageError, SyntaxError) as error:
        raise ValueError(f"{mask_path}: not a readable mask ({error})") from None
    if mask.shape != (size[1], size[0]):
        raise ValueError(
            f"{mask_path}: {mask.shape[1]}x{mask.shape[0]} pixels; expected {size[0]}x{size[1]}, the size of {image_path}"
        )
    ids = frozenset(np.unique(mask).tolist())
    for found in sorted(ids - known - ignored):
        raise ValueError(f"{mask_path}: class id {found} out of range; expected {meaning}")
    return max(ids - ignored, default=-1)


def part_of(split: tuple[T, ...], fraction: float, seed: int) -> tuple[T, ...]:
    """The fraction of a split's pairs (or boxed images) that `seed` chooses, at least one, in their order on disk."""
    count = max(1, round(len(split) * fraction))
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return tuple(split[i] for i in sorted(chosen.tolist()))


def class_map(ids: dict[int, int]) -> np.ndarray:
    """(65536,) uint8 from the ids in the files to classes; every other id is ignored."""
    labels = np.full(65536, IGNORED, np.uint8)
    for found, label in ids.items():
        labels[found] = label
    return labels
