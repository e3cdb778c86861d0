"""COCO, and anyone's own boxes in its format: one JSON file for each split."""

import functools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import UnionType
from typing import Any, ClassVar

import numpy as np

from evaluators.data import DATA, boxed, checked, pictures
from registry import nearest

PARTS = ("images", "annotations", "categories")
KINDS = {int: "a whole number", float: "a number", str: "a text"}

Row = tuple[str, tuple[int, int], list[boxed.Object]]
"""The path of an image, its (width, height), its objects."""


@DATA.register("coco")
@dataclass(frozen=True)
class Coco(boxed.BoxedFiles):
    """COCO 2017 as published (118,287 training and 5,000 validation images of 80 classes), or own files in its format: for each
    split a JSON file and the folder that its file names start from, both below `root`.

    Classes are the categories of the training file by ascending id; those of one name are one class, since some tools add one
    for the whole. The validation file may have a part of them, under other ids. Crowds are not learned and not scored. `iscrowd`,
    `area`, `segmentation` and an image's `width` and `height` may be missing. `drop_flat` is on, since the published training file
    has boxes of no width or no height.
    Source: arXiv 1405.0312
    """

    drop_flat: bool = True
    train_annotations: str = "annotations/instances_train2017.json"
    train_images: str = "train2017"
    val_annotations: str = "annotations/instances_val2017.json"
    val_images: str = "val2017"

    expected: ClassVar[str] = "the folder that holds annotations/, train2017/ and val2017/, or others as data.train_images etc. say"

    def images(self, split: boxed.Split) -> tuple[boxed.BoxedImage, ...]:
        """In training an image comes without its crowds."""
        found = self._read(split).images
        return tuple(without_ignored(image) for image in found) if split == "train" else found

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        return self._read("train").class_names

    def _read(self, split: boxed.Split) -> "Annotated":
        """A split's file; ValueError where it or its folder of images is missing."""
        names = {"train": (self.train_annotations, self.train_images), "val": (self.val_annotations, self.val_images)}[split]
        table, folder = (self.folder / name for name in names)
        if not table.is_file():
            raise ValueError(
                f"{table}: missing file; expected COCO's JSON of the split, or data.{split}_annotations=<its path in root>"
            )
        if not folder.is_dir():
            raise ValueError(
                f"{folder}: missing folder; expected the split's images, or data.{split}_images=<their folder in root>"
            )
        return read_file(table, folder, self.drop_flat)


@dataclass(frozen=True, eq=False)
class Annotated:
    """What one JSON file says."""

    class_names: tuple[str, ...]
    images: tuple[boxed.BoxedImage, ...]


def without_ignored(image: boxed.BoxedImage) -> boxed.BoxedImage:
    kept = ~image.ignored
    if kept.all():
        return image
    names = tuple(name for name, keep in zip(image.names, kept, strict=True) if keep)
    return replace(image, xyxy=image.xyxy[kept], names=names, ignored=np.zeros(len(names), bool))


@functools.lru_cache(maxsize=4)
def read_file(table: Path, folder: Path, drop_flat: bool) -> Annotated:
    """The images of a file by ascending id, read once for each process; what of it is used is remembered, a hundredth of COCO's."""
    facts = ("coco, sized", str(folder), drop_flat)
    names, rows, unsized = checked.remembered(lambda: parsed(table, folder, drop_flat, measure=False), [table], facts=facts)
    if unsized:  # what is found then depends on these images too
        for path in map(Path, unsized):
            boxed.check_present(path, table)
        files = [table, *map(Path, unsized)]
        names, rows, _ = checked.remembered(
            lambda: parsed(table, folder, drop_flat, measure=True), files, facts=(*facts, "measured")
        )
    images = (boxed.BoxedImage.of(path, str(table), size, objects) for path, size, objects in rows)
    return Annotated(tuple(names), tuple(images))


def parsed(table: Path, folder: Path, drop_flat: bool, *, measure: bool) -> tuple[list[str], list[Row], list[str]]:
    """The class names, the images, and the paths of those that the file gives no size: with `measure` theirs are read from the
    images, without it only these paths are returned. ValueError naming what is wrong."""
    content = loaded(table)
    categories = by_id(content["categories"], "categories", needed="name", kind=str | int, table=table)
    names = {key: str(categories[key]["name"]) for key in sorted(categories)}
    images = by_id(content["images"], "images", needed="file_name", kind=str, table=table)
    paths = {key: folder / image["file_name"] for key, image in images.items()}
    told = {key: told_size(image, f"{table}: image {key} ({paths[key].name})") for key, image in images.items()}
    unsized = [str(paths[key]) for key, size in told.items() if size is None]
    if unsized and not measure:
        return [], [], unsized
    sizes = {key: size or pictures.size(paths[key]) for key, size in told.items()}
    objects = objects_of(content["annotations"], names, paths=paths, sizes=sizes, table=table, drop_flat=drop_flat)
    return list(dict.fromkeys(names.values())), [(str(paths[key]), sizes[key], objects[key]) for key in sorted(images)], unsized


def objects_of(
    annotations: list[Any],
    names: dict[int | str, str],
    *,
    paths: dict[int | str, Path],
    sizes: dict[int | str, tuple[int, int]],
    table: Path,
    drop_flat: bool,
) -> dict[int | str, list[boxed.Object]]:
    """The objects of each image under its id, from the annotations of all."""
    objects: dict[int | str, list[boxed.Object]] = {key: [] for key in paths}
    for place, entry in enumerate(annotations):
        where = f"{table}: annotation {entry['id'] if has(entry, 'id') else f'at place {place}'}"
        if not has(entry, "image_id", "category_id", "bbox"):
            raise ValueError(f"{where} is {shortened(entry)}; expected image_id, category_id and bbox")
        key = entry["image_id"]
        check_id(key, "image_id", paths, where)
        if key not in paths:
            raise ValueError(f"{where}: image_id {key!r}; expected the id of one of the {len(paths)} images of this file")
        found = read_object(entry, names, sizes[key], f"{where} of image {paths[key].name}", drop_flat)
        objects[key] += [found] if found else []
    return objects


def loaded(table: Path) -> dict[str, list[Any]]:
    """The file's content; ValueError where it is no JSON of COCO's form."""
    try:
        content = json.loads(table.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{table}: not a readable JSON file ({error}); expected COCO's format") from None
    lacking = [part for part in PARTS if not (has(content, part) and isinstance(content[part], list))]
    if lacking:
        raise ValueError(f"{table}: no list '{lacking[0]}'; expected COCO's format: {', '.join(PARTS)}")
    return content


def has(entry: Any, *keys: str) -> bool:
    return isinstance(entry, dict) and all(key in entry for key in keys)


def shortened(entry: Any) -> str:
    """As an error quotes it: a segmentation has thousands of numbers."""
    text = repr(entry)
    return text if len(text) < 200 else f"{text[:200]}..."


def by_id(entries: list[Any], part: str, *, needed: str, kind: type | UnionType, table: Path) -> dict[int | str, dict[str, Any]]:
    """The entries under their ids. ValueError for none, one without its id or `needed` (of a type), or ids that repeat or differ
    in type."""
    for place, entry in enumerate(entries):
        if not has(entry, "id", needed):
            raise ValueError(f"{table}: {part}, entry at place {place} is {shortened(entry)}; expected an id and a {needed}")
        if not isinstance(entry[needed], kind) or entry[needed] == "":
            raise ValueError(f"{table}: {part}, id {entry['id']!r}: {needed} {shortened(entry[needed])}; expected a text")
        if type(entry["id"]) is not type(entries[0]["id"]) or type(entry["id"]) not in (int, str):
            raise ValueError(f"{table}: {part}: id {entry['id']!r}; expected whole numbers (or texts) throughout")
    found = {entry["id"]: entry for entry in entries}
    if not found:
        raise ValueError(f"{table}: '{part}' is empty; expected entries with an id and a {needed}")
    if len(found) < len(entries):
        raise ValueError(f"{table}: {part}: {len(entries)} entries have {len(found)} ids; expected one id for each")
    return found


def told_size(image: dict[str, Any], where: str) -> tuple[int, int] | None:
    """(width, height) as the file says, None where it does not. ValueError for one that is no number of pixels."""
    told = {side: image[side] for side in ("width", "height") if image.get(side)}
    for side, value in told.items():
        if not is_whole(value) or float(value) < 1:
            raise ValueError(f"{where}: {side} {shortened(value)}; expected a whole number of pixels above 0")
    return (int(float(told["width"])), int(float(told["height"]))) if len(told) == 2 else None


def is_whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except (TypeError, ValueError, OverflowError):
        return False


def check_id(key: Any, name: str, known: Mapping[int | str, Any], where: str) -> None:
    """ValueError for an id of another type than those that are known, so that no text is compared with numbers."""
    kind = type(next(iter(known)))
    whole = kind is int and isinstance(key, float) and is_whole(key)  # 10.0, as tables write it, finds 10
    if type(key) is not kind and not whole:
        given = KINDS.get(type(key), f"of type {type(key).__name__}")
        raise ValueError(f"{where}: {name} {shortened(key)} is {given}; expected {KINDS[kind]}, as the ids in this file are")


def read_object(
    entry: dict[str, Any], names: dict[int | str, str], size: tuple[int, int], where: str, drop_flat: bool
) -> boxed.Object | None:
    """One annotation; None for a box of no width or no height that is to be left out."""
    category, bbox = entry["category_id"], entry["bbox"]
    check_id(category, "category_id", names, where)
    if category not in names:
        raise ValueError(f"{where}: category_id {category!r}; {nearest(str(category), [str(key) for key in names])}")
    numbers = isinstance(bbox, list) and all(isinstance(value, int | float) and math.isfinite(value) for value in bbox)
    if not numbers or len(bbox) != 4 or min(bbox[2:]) < 0:
        raise ValueError(f"{where}: bbox {bbox!r}; expected [x, y, width, height] in pixels, width and height not below 0")
    where = f"{where} ('{names[category]}'): its box (x, y, width, height {', '.join(f'{value:g}' for value in bbox)})"
    x, y, width, height = bbox
    box = boxed.within((x, y, x + width, y + height), size, where, drop_flat=drop_flat)
    return box and (*box, names[category], bool(entry.get("iscrowd", 0)))
