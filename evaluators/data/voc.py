"""Pascal VOC, and anyone's own boxes in its layout: an XML file for each image."""

import functools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from evaluators.data import DATA, boxed, checked, pictures
from evaluators.data.pairs import IMAGE_ENDINGS
from registry import nearest

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
"""The published classes, in the order of their ids."""

CORNERS = ("xmin", "ymin", "xmax", "ymax")
LISTS = "ImageSets/Main"
ENDINGS = (*IMAGE_ENDINGS, *(ending.upper() for ending in IMAGE_ENDINGS))


@DATA.register("voc")
@dataclass(frozen=True)
class Voc(boxed.BoxedFiles):
    """Pascal VOC as published: Annotations/<id>.xml, ImageSets/Main/<split>.txt and JPEGImages/<id>.jpg in VOCdevkit/VOC<year>.
    `root` is that folder, VOCdevkit, the folder that holds it, or one whose folders hold one VOCdevkit for each archive.

    `train` and `val` name the lists that are learned and judged by; the default leaves test untouched, for `data.val=test`. Classes
    are `names`; without them the 20 published ones or, where training has others, those that it has, sorted. Where those are mostly
    published ones, or one differs from a published one by case only, the others are taken for slips and `names` has to say
    otherwise. Objects marked difficult are learned like any other and not scored; `difficult`, `truncated`, `pose` and `size` may
    be missing. All corners are taken minus 1, as published detectors read them: VOC counts pixels from 1.
    Source: Everingham et al., IJCV 2010
    """

    year: int = 2007
    train: str = "train"
    val: str = "val"
    names: list[str] = field(default_factory=list)

    expected: ClassVar[str] = "VOCdevkit, or a folder that holds Annotations/, ImageSets/Main/ and JPEGImages/ as Pascal VOC does"

    def __post_init__(self):
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"data.names: {self.names}; expected each class once")

    def images(self, split: boxed.Split) -> tuple[boxed.BoxedImage, ...]:
        name = self.train if split == "train" else self.val
        return read_split(find_split(self.folder, self.year, name), name, self.drop_flat)

    @functools.cached_property
    def class_names(self) -> tuple[str, ...]:
        if self.names:
            return tuple(self.names)
        return classes_of(self.images("train"))


def classes_of(images: tuple[boxed.BoxedImage, ...]) -> tuple[str, ...]:
    """The published classes or, of images that have others, their own, sorted. ValueError for a slip in a published name, which
    would make the network one of other classes: most names are published ones, or one is but for its case."""
    found = {name for image in images for name in image.names}
    others = found - set(CLASSES)
    recased = {name for name in others if name.lower() in CLASSES}
    slips = recased or (others if len(others) < len(found) / 2 else set())
    for image in images:
        for name in image.names:
            if name in slips:
                guess = nearest(name.lower(), list(CLASSES))
                raise ValueError(
                    f"{image.source}: class '{name}' is none of Pascal VOC's; {guess} data.names=[...] allows other names"
                )
    return tuple(sorted(found)) if others else CLASSES


def find_split(root: Path, year: int, split: str) -> Path:
    """The folder under root whose ImageSets/Main/ lists the split; ValueError naming what was looked for."""
    for folder in places(root, year):
        if (folder / LISTS / f"{split}.txt").is_file():
            return folder
    known = sorted({path.stem for folder in places(root, year) for path in (folder / LISTS).glob("*.txt") if "_" not in path.stem})
    lists = f"the lists there are {', '.join(known)}" if known else "none of these folders has any list"
    raise ValueError(
        f"{root}: no {LISTS}/{split}.txt in it, its VOC{year} or VOCdevkit/VOC{year}, or those of its folders; {lists}"
    )


def places(root: Path, year: int) -> Iterator[Path]:
    """Where a split may lie: root itself, its VOC<year>, its VOCdevkit/VOC<year>, and the same in each of its folders; another
    year's folder is no place for this one's."""
    others = [path for path in sorted(root.iterdir()) if path.is_dir() and not re.fullmatch(r"VOC\d{4}", path.name)]
    for base in (root, *others):
        yield from (base, base / f"VOC{year}", base / "VOCdevkit" / f"VOC{year}")


@functools.lru_cache(maxsize=4)
def read_split(folder: Path, split: str, drop_flat: bool) -> tuple[boxed.BoxedImage, ...]:
    """The images that a list names, in its order, read once for each process; what the XML files said is remembered."""
    listing = folder / LISTS / f"{split}.txt"
    lines = [line.strip() for line in listing.read_text("utf-8-sig", errors="replace").splitlines()]
    ids = list(dict.fromkeys(filter(None, lines)))
    if not ids:
        raise ValueError(f"{listing}: an empty list; expected the name of an image, without its ending, on each line")
    files = [(find_xml(folder, name, listing), find_image(folder, name, listing)) for name in ids]
    parse = functools.partial(checked.each, lambda pair: read_objects(*pair, drop_flat), files)
    # the images count too: a size that the XML lacks is theirs
    rows = checked.remembered(parse, [path for pair in files for path in pair], facts=("voc", drop_flat))
    return tuple(
        boxed.BoxedImage.of(str(image), str(xml), size, objects) for (xml, image), (size, objects) in zip(files, rows, strict=True)
    )


def find_xml(folder: Path, name: str, listing: Path) -> Path:
    path = folder / "Annotations" / f"{name}.xml"
    if not path.is_file():
        raise ValueError(f"{path}: missing annotation; expected it, since {listing} names '{name}'")
    return path


def find_image(folder: Path, name: str, listing: Path) -> Path:
    """An image of any ending; the published ones are tried first."""
    for ending in ENDINGS:
        path = folder / "JPEGImages" / f"{name}{ending}"
        if path.is_file():
            return path
    raise ValueError(
        f"{folder / 'JPEGImages' / name}.jpg: missing image (or .png ...); expected it, since {listing} names '{name}'"
    )


def read_objects(xml: Path, image: Path, drop_flat: bool) -> tuple[tuple[int, int], list[boxed.Object]]:
    """The (width, height) and the objects of an annotation; a size that it lacks is that of the image."""
    try:
        root = ElementTree.parse(xml).getroot()
    except (OSError, ElementTree.ParseError, LookupError, ValueError) as error:  # the last two: an encoding that it does not know
        raise ValueError(f"{xml}: not a readable XML file ({error}); expected an annotation as Pascal VOC has them") from None
    if root.tag != "annotation":
        raise ValueError(f"{xml}: its outermost tag is <{root.tag}>; expected <annotation>, as Pascal VOC has it")
    sides = [number(root, f"size/{side}", default="0", where=str(xml)) for side in ("width", "height")]
    size = (int(sides[0]), int(sides[1])) if min(sides) > 0 else pictures.size(image)
    # only what lies directly below the root: VOC's persons have parts with names and boxes of their own
    entries = enumerate(root.findall("object"), start=1)
    found = (read_object(entry, size, f"{xml}: object {place}", drop_flat) for place, entry in entries)
    return size, [entry for entry in found if entry]


def read_object(entry: ElementTree.Element, size: tuple[int, int], where: str, drop_flat: bool) -> boxed.Object | None:
    name = (entry.findtext("name") or "").strip()
    if not name:
        raise ValueError(f"{where} has no name; expected a class in <name>")
    where = f"{where} ('{name}')"
    corners = [number(entry, f"bndbox/{corner}", default=None, where=where) for corner in CORNERS]
    told = ", ".join(f"{corner} {value:g}" for corner, value in zip(CORNERS, corners, strict=True))
    x1, y1, x2, y2 = (corner - 1 for corner in corners)
    box = boxed.within((x1, y1, x2, y2), size, f"{where}: its box ({told}, counted from 1)", drop_flat=drop_flat)
    difficult = number(entry, "difficult", default="0", where=where)
    if difficult not in (0, 1):
        raise ValueError(f"{where}: <difficult> is {difficult:g}; expected 0 or 1")
    return box and (*box, name, difficult == 1)


def number(entry: ElementTree.Element, path: str, *, default: str | None, where: str) -> float:
    """The number in a tag; ValueError where it is none, or is missing and has no default."""
    text = (entry.findtext(path) or "").strip() or default
    if text is None:
        raise ValueError(f"{where} has no <{path}>; expected a number of pixels")
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: <{path}> is '{text}'; expected a number")
    return value
