"""Tiny-ImageNet: 200 classes of 64x64 pixels, in its published folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from evaluators.data import DATA
from evaluators.data.labelled import ClassFolders, Item, is_image, not_a_class


@DATA.register("tiny_imagenet")
@dataclass(frozen=True)
class TinyImageNet(ClassFolders):
    """100,000 training and 10,000 validation images. `root` is the folder tiny-imagenet-200 or the one that holds it:
    train/<wnid>/images/*.JPEG, and val/images/ with val/val_annotations.txt as published, or val/<wnid>/ as scripts sort them.

    `crop`: validation keeps this part of an image's shorter side, from the centre. Source: Stanford CS231n, course project data.
    """

    published: ClassVar[int] = 200
    inner: ClassVar[str] = "tiny-imagenet-200"
    expected: ClassVar[str] = "tiny-imagenet-200 as published: train/<wnid>/images/*.JPEG for 200 wnids, val/images/"

    @property
    def class_names(self) -> tuple[str, ...]:
        """The first name of each wnid in words.txt; the wnid where that file or its line is missing."""
        table = self.folder / "words.txt"
        rows = [line.partition("\t") for line in table.read_text().splitlines()] if table.is_file() else []
        names = {wnid: words.split(",")[0].strip() for wnid, _, words in rows}
        return tuple(names.get(wnid) or wnid for wnid in self.class_folders)

    def val_items(self) -> tuple[Item, ...]:
        val = self.split("val")
        if any((val / wnid).is_dir() for wnid in self.class_folders):
            return super().val_items()
        return annotated(val / "images", val / "val_annotations.txt", self.class_folders)


def annotated(folder: Path, table: Path, wnids: tuple[str, ...]) -> tuple[Item, ...]:
    """The images that the table labels. ValueError for an image without a line, a line without its image, an unknown wnid."""
    if not folder.is_dir():
        raise ValueError(f"{folder}: missing folder; expected the validation images, or a folder for each wnid in {folder.parent}")
    if not table.is_file():
        raise ValueError(f"{table}: missing file; expected a line <image> <wnid> for each image in {folder}")
    label_of = {wnid: label for label, wnid in enumerate(wnids)}
    images, labels = {path.name for path in folder.iterdir() if is_image(path.name)}, {}
    for number, line in enumerate(table.read_text().splitlines(), start=1):
        words = line.split()
        if len(words) < 2:
            raise ValueError(f"{table}, line {number}: {line!r}; expected <image> <wnid> and the box")
        name, wnid = words[:2]
        if wnid not in label_of:
            raise ValueError(f"{table}, line {number}: {not_a_class(wnid, wnids)}")
        if name not in images:
            raise ValueError(f"{folder / name}: missing image; line {number} of {table} names it")
        labels[name] = label_of[wnid]
    for name in sorted(images - labels.keys()):
        raise ValueError(f"{folder / name}: an image without a line in {table}; expected one that names its wnid")
    if not labels:
        raise ValueError(f"{folder}: no image in this folder; expected the validation images that {table.name} names")
    return tuple((str(folder / name), labels[name]) for name in sorted(labels))
