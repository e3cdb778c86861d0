"""Images with one label each, in a folder for each class: listing, checking, choosing and reading them. Used by `image_folder`,
`imagenet` and `tiny_imagenet`; `garments` chooses its part in the same way."""

import difflib
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torchvision import tv_tensors
from torchvision.datasets.folder import make_dataset
from torchvision.transforms import v2

from evaluators.data import checked, pictures
from evaluators.data.rooted import folder_at

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")

Item = tuple[str, int]


@dataclass(frozen=True, eq=False)
class LabelledSet:
    """One split on disk, as (path, label). With `size` (validation) the shorter side is brought to round(size / crop), bicubic, and
    the centre size x size is kept: the published evaluation of ImageNet networks. Without it images keep their size.
    `upright`: images are turned as their EXIF says."""

    items: tuple[Item, ...]
    size: int | None
    crop: float
    upright: bool = False

    @property
    def uniform(self) -> bool:
        return self.size is not None

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, int]:
        path, label = self.items[index]
        image = pictures.read(path, upright=self.upright)
        if self.size is None:
            return image, label
        image = v2.functional.resize(image, [round(self.size / self.crop)], v2.InterpolationMode.BICUBIC)
        return v2.functional.center_crop(image, [self.size, self.size]), label


@dataclass(frozen=True)
class ClassFolders:
    """What the data sets with a folder for each class share: <root>/{train,val}/<class>/ with images anywhere below.

    Classes are the folder names of train, sorted. `published` is the number there must be, 0 for any; `inner` a folder that root
    may hold instead of being it; `expected` tells a user what root should be.
    """

    root: str | None = None
    crop: float = 0.9

    target: ClassVar[str] = "label"
    published: ClassVar[int] = 0
    inner: ClassVar[str] = ""
    upright: ClassVar[bool] = False  # published evaluations take the pixels as they are stored
    expected: ClassVar[str] = "a folder that holds train/<class>/ and val/<class>/ with images"

    def __post_init__(self):
        if not 0 < self.crop <= 1:
            raise ValueError(f"data.crop: {self.crop}; expected the part of a validation image's side that is kept, above 0 to 1")

    @functools.cached_property
    def folder(self) -> Path:
        """The folder that holds the splits; ValueError where none is given or there."""
        root = folder_at(self.root, expected=self.expected)
        return root / self.inner if self.inner and (root / self.inner).is_dir() else root

    @functools.cached_property
    def class_folders(self) -> tuple[str, ...]:
        """The folder names of train, sorted: folder k is class k."""
        return folders(self.split("train"))

    @property
    def classes(self) -> int:
        return self.published or len(self.class_folders)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.class_folders

    def check(self) -> None:
        """Both splits listed, their classes compared, every image's header read; the pixels of a million files would take hours."""
        count, train = len(self.class_folders), self.split("train")
        if count != (self.published or max(count, 2)):
            raise ValueError(f"{train}: {count} class folders; expected {self.published or '2 or more'}: {self.expected}")
        assert len(self.class_names) == self.classes
        found = self.train_items() + self.val_items()
        files = [Path(path) for path, _ in found]
        checked.remembered(lambda: len(checked.each(pictures.size, files)), files, facts="labelled images, depth")

    def train_set(self, size: int, fraction: float, seed: int) -> LabelledSet:
        items = self.train_items()
        chosen = balanced_part([label for _, label in items], fraction, seed)
        return LabelledSet(tuple(items[index] for index in chosen), None, self.crop, self.upright)

    def val_set(self, size: int) -> LabelledSet:
        return LabelledSet(self.val_items(), size, self.crop, self.upright)

    def split(self, name: str) -> Path:
        """A split's folder; ValueError where it is missing."""
        if not (self.folder / name).is_dir():
            raise ValueError(f"{self.folder / name}: missing folder; expected {self.expected}")
        return self.folder / name

    def train_items(self) -> tuple[Item, ...]:
        return listed(self.split("train"), self.class_folders, whole=True)

    def val_items(self) -> tuple[Item, ...]:
        return listed(self.split("val"), self.class_folders, whole=self.published > 0)


def folders(parent: Path) -> tuple[str, ...]:
    """The names of the folders in `parent`, sorted; hidden ones are left out."""
    return tuple(sorted(entry.name for entry in os.scandir(parent) if entry.is_dir() and not entry.name.startswith(".")))


def is_image(path: str) -> bool:
    name = os.path.basename(path)
    return name.lower().endswith(IMAGE_ENDINGS) and not name.startswith(".")


def images_of(parent: Path, label_of: dict[str, int]) -> tuple[Item, ...]:
    """The images under the class folders of `parent`, sorted by class and path."""
    return tuple(make_dataset(str(parent), label_of, is_valid_file=is_image, allow_empty=True)) if label_of else ()


def listed(parent: Path, names: Sequence[str], *, whole: bool) -> tuple[Item, ...]:
    """The images of a split. ValueError for a class folder without images, for images of an unknown class and, with `whole`, for a
    class that has no folder."""
    items, present = images_of(parent, {name: k for k, name in enumerate(names)}), folders(parent)
    filled = {label for _, label in items}
    for label, name in enumerate(names):
        if label not in filled and (whole or name in present):
            problem = "no image in this folder" if name in present else "missing folder"
            raise ValueError(f"{parent / name}: {problem}; expected files ending in {', '.join(IMAGE_ENDINGS)}")
    unknown = [name for name in present if name not in set(names)]
    for path, _ in images_of(parent, dict.fromkeys(unknown, 0)):
        name = Path(path).relative_to(parent).parts[0]
        raise ValueError(f"{parent / name}: {not_a_class(name, names)}")
    if not items:
        raise ValueError(f"{parent}: no image in any class folder; expected files ending in {', '.join(IMAGE_ENDINGS)}")
    return items


def not_a_class(name: str, names: Sequence[str]) -> str:
    """The error about a class that training does not have; without the list of all, which may be a thousand."""
    guess = difflib.get_close_matches(name, names, n=1)
    return f"unknown class '{name}'; expected a folder name of train" + (f". Did you mean '{guess[0]}'?" if guess else "")


def balanced_part(labels: Sequence[int], fraction: float, seed: int) -> list[int]:
    """The indices, ascending, of the same part of each class, at least one of each, chosen by `seed`. Under one seed a smaller
    fraction is contained in a larger one."""
    members: dict[int, list[int]] = {}
    for index in torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed)).tolist():
        members.setdefault(labels[index], []).append(index)
    return sorted(index for each in members.values() for index in each[: max(1, round(len(each) * fraction))])
