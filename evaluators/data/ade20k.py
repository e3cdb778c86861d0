"""ADE20K, the scene parsing benchmark with 150 classes, in its published folders."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evaluators.data import DATA, pairs
from evaluators.data.rooted import folder_at

LAYOUTS = {
    "train": (("images/training", "annotations/training"), ("image/train", "mask/train")),
    "val": (("images/validation", "annotations/validation"), ("image/val", "mask/val")),
}


@DATA.register("ade20k")
@dataclass(frozen=True)
class Ade20k:
    """ADE20K SceneParse: 20,210 training and 2,000 validation images. `root` is the folder ADEChallengeData2016 or the one that
    holds it; images/ and annotations/ with training/ and validation/ as published, or image/ and mask/ with train/ and val/.

    Id 0 in a mask (other) is ignored, ids 1 to 150 are classes 0 to 149. Validation images and masks are both brought to a shorter
    side of the schedule's size, so the mIoU is that of resized masks, not the benchmark's. Source: arXiv 1608.05442
    """

    root: str | None = None

    target: ClassVar[str] = "mask"
    classes: ClassVar[int] = 150

    @functools.cached_property
    def folder(self) -> Path:
        """The folder that holds the splits; ValueError where none is given or there."""
        root = folder_at(self.root, expected="ADEChallengeData2016 as published, as in data.root=/data/ADEChallengeData2016")
        inner = root / "ADEChallengeData2016"
        return inner if inner.is_dir() else root

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        """From objectInfo150.txt (published beside the images) or id2label.json; without either, class numbers."""
        table, mapping = self.folder / "objectInfo150.txt", self.folder / "id2label.json"
        if table.is_file():
            names = [line.split("\t")[-1].strip() for line in table.read_text().splitlines()[1:] if line.strip()]
        elif mapping.is_file():
            names = [name for _, name in sorted(json.loads(mapping.read_text()).items(), key=lambda item: int(item[0]))]
        else:
            names = [f"class {k}" for k in range(self.classes)]
        if len(names) != self.classes:
            raise ValueError(f"{table if table.is_file() else mapping}: {len(names)} class names; expected {self.classes}")
        return tuple(names)

    def check(self) -> None:
        """Both splits found and paired, every image's header and every mask's ids read (see `pairs.largest_class`)."""
        found = self._pairs("train") + self._pairs("val")
        known = frozenset(range(1, self.classes + 1))
        pairs.largest_class(found, known, ignored=frozenset({0}), meaning="0 (other) or 1 to 150; are these the SceneParse masks?")
        assert len(self.class_names) == self.classes

    def train_set(self, size: int, fraction: float, seed: int) -> pairs.PairSet:
        return self._split(pairs.part_of(self._pairs("train"), fraction, seed), None)

    def val_set(self, size: int) -> pairs.PairSet:
        return self._split(self._pairs("val"), size)

    def _pairs(self, split: str) -> tuple[pairs.Pair, ...]:
        return pairs.match(*pairs.find_split(self.folder, LAYOUTS[split]))

    def _split(self, chosen: tuple[pairs.Pair, ...], size: int | None) -> pairs.PairSet:
        return pairs.PairSet(chosen, pairs.class_map({k + 1: k for k in range(self.classes)}), size)
