"""A user's own segmentation data: a folder of images and a folder of masks."""

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from evaluators.data import DATA, pairs
from evaluators.data.rooted import folder_at

LAYOUTS = {split: ((f"{split}/images", f"{split}/masks"), (f"image/{split}", f"mask/{split}")) for split in ("train", "val")}


@DATA.register("folder")
@dataclass(frozen=True)
class Folder:
    """Images and one-channel PNG masks with matching stems: <root>/{train,val}/{images,masks}/ or <root>/{image,mask}/{train,val}/.

    A mask's ids are the classes, from 0; pixels of `ignored` (255 unless told) are neither learned nor scored. The number of
    classes is `num_classes`, or with 0 the largest id in any mask plus one. `names` is optional, one for each class.
    """

    root: str | None = None
    num_classes: int = 0
    names: list[str] = field(default_factory=list)
    ignored: int = pairs.IGNORED

    target: ClassVar[str] = "mask"

    def __post_init__(self):
        if not 0 <= self.num_classes <= pairs.IGNORED:
            raise ValueError(f"data.num_classes: {self.num_classes}; expected 0 (count them in the masks) or 1 to {pairs.IGNORED}")
        if not 0 <= self.ignored <= 65535:
            raise ValueError(f"data.ignored: {self.ignored}; expected an id from 0 to 65535 (255 if the masks have none)")

    @functools.cached_property
    def folder(self) -> Path:
        """`root` as a path; ValueError where it is not given or not there."""
        return folder_at(self.root, expected="one that holds train/images, train/masks, val/images, val/masks")

    @functools.cached_property
    def classes(self) -> int:
        return self.num_classes or self._checked_ids() + 1

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.names) or tuple(f"class {k}" for k in range(self.classes))

    def check(self) -> None:
        """Both splits found and paired, every image's header and every mask's ids read (see `pairs.largest_class`)."""
        if self._checked_ids() < 0:
            raise ValueError(f"{self.folder}: no mask has a class id; all their pixels are ignored")
        if len(self.class_names) != self.classes:
            raise ValueError(f"data.names: {len(self.names)} names; expected {self.classes}, one for each class")

    def train_set(self, size: int, fraction: float, seed: int) -> pairs.PairSet:
        return self._split(pairs.part_of(self._pairs("train"), fraction, seed), None)

    def val_set(self, size: int) -> pairs.PairSet:
        return self._split(self._pairs("val"), size)

    def _checked_ids(self) -> int:
        """The largest class id in the masks of both splits, all of them checked."""
        highest = (self.num_classes or pairs.IGNORED) - 1
        found = self._pairs("train") + self._pairs("val")
        ignored = frozenset({self.ignored, pairs.IGNORED})
        return pairs.largest_class(
            found, frozenset(range(highest + 1)), ignored=ignored, meaning=f"0 to {highest}, or {self.ignored} (ignored)"
        )

    def _pairs(self, split: str) -> tuple[pairs.Pair, ...]:
        return pairs.match(*pairs.find_split(self.folder, LAYOUTS[split]))

    def _split(self, chosen: tuple[pairs.Pair, ...], size: int | None) -> pairs.PairSet:
        known = {k: k for k in range(self.classes) if k != self.ignored}
        return pairs.PairSet(chosen, pairs.class_map(known), size)
