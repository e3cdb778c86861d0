"""Anyone's own images with a point on each thing to count, as JSON or CSV."""

import csv
import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from evaluators.data import DATA, checked, pointed

COLUMNS = ("image", "x", "y")
JSON_FORM = '{"points": [[x, y], ...]}'


@DATA.register("points")
@dataclass(frozen=True)
class Points(pointed.PointedFiles):
    """<root>/{train,val}/ with images, and their points in one of two forms, for each split its own.

    JSON: beside each image <name>.jpg a file <name>.json with {"points": [[x, y], ...]}, other keys are not read. CSV: one file
    <root>/<split>.csv for the split, whose header names the columns image, x and y in any order, others are not read, and each of
    whose rows is one point: the image's file name within <root>/<split>/, x, y. An image without points has an empty list or, in
    CSV, no row, or one whose x and y are empty.

    x runs to the right and y down, in pixels from the top left corner of the image turned upright as its EXIF says.
    """

    expected: ClassVar[str] = "a folder that holds train/ and val/ with images, and JSON beside each or train.csv and val.csv"

    def images(self, split: pointed.Split) -> tuple[pointed.PointedImage, ...]:
        return read_split(self.folder / split, self.folder / f"{split}.csv")


@functools.lru_cache(maxsize=4)
def read_split(folder: Path, table: Path) -> tuple[pointed.PointedImage, ...]:
    """The images of a folder, sorted, read once for each process; what the files said is remembered."""
    paths, beside = pointed.listed(folder), sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if table.is_file() and beside:
        raise ValueError(f"{table}: beside {len(beside)} JSON files in {folder}; expected a split's points in one of the two forms")
    if table.is_file():
        sources, parse = [table], functools.partial(from_csv, paths, table)
    else:
        sources, parse = beside, functools.partial(from_json, paths, beside, table)
    rows = checked.remembered(parse, [*paths, *sources], facts=("points", str(table), len(paths)))
    return tuple(pointed.PointedImage.of(row, upright=True) for row in rows)


def from_json(paths: list[Path], beside: list[Path], table: Path) -> list[pointed.Row]:
    """The rows of images with a JSON file beside each. ValueError for one without the other, or two images of one file."""
    image_of: dict[Path, Path] = {}
    for path in paths:
        source = path.with_suffix(".json")
        if source in image_of:
            raise ValueError(f"{path}: its points would be in the file of {image_of[source].name} too; expected another name")
        image_of[source] = path
        if source not in beside:
            raise ValueError(f"{source}: missing file; expected {JSON_FORM} for {path.name}, or {table} for the whole split")
    for source in beside:
        if source not in image_of:
            raise ValueError(f"{source}: no image of this name beside it; expected one for each JSON file")
    return checked.each(lambda source: read_json(source, image_of[source]), list(image_of))


def read_json(source: Path, image: Path) -> pointed.Row:
    size = pointed.size_of(image, upright=True)
    try:
        content = json.loads(source.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{source}: not a readable JSON file ({error}); expected {JSON_FORM}") from None
    found = content.get("points") if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise ValueError(f"{source}: no list 'points'; expected {JSON_FORM}")
    for place, point in enumerate(found, start=1):
        if not (isinstance(point, list) and len(point) == 2 and all(is_number(value) for value in point)):
            raise ValueError(f"{source}: point {place} is {json.dumps(point)[:200]}; expected [x, y], two numbers in pixels")
    return str(image), str(source), pointed.within(found, size, str(source), slack=pointed.SLACK_PX)


def is_number(value: Any) -> bool:
    """Whether JSON's value is a finite number that a float can hold."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9


def from_csv(paths: list[Path], table: Path) -> list[pointed.Row]:
    """The rows of images whose points are in one file. ValueError where it names an image that is not there."""
    points: dict[str, list[tuple[float, float]]] = {path.name: [] for path in paths}
    for line, row in csv_lines(table):
        where, name = f"{table}: line {line}", row["image"]
        if name not in points:
            raise ValueError(f"{where}: no image '{name}' in {paths[0].parent}; expected the name of one of the {len(paths)} there")
        if row["x"] or row["y"]:
            points[name].append((number(row, "x", where), number(row, "y", where)))
    return checked.each(lambda path: row_of(path, table, points[path.name]), paths)


def row_of(image: Path, table: Path, points: list[tuple[float, float]]) -> pointed.Row:
    size = pointed.size_of(image, upright=True)
    return str(image), str(table), pointed.within(points, size, f"{table}: {image.name}", slack=pointed.SLACK_PX)


def csv_lines(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Of each row its line, counted from 1, and its image, x and y; blank lines are left out."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{table}: not a readable CSV file ({error}); expected the columns {', '.join(COLUMNS)}") from None
    header = [name.lower() for name in lines[0][1]] if lines else []
    if any(header.count(name) != 1 for name in COLUMNS):
        found = ",".join(header)[:200]
        raise ValueError(f"{table}: its first line is '{found}'; expected a header with the columns {', '.join(COLUMNS)}")
    for line, cells in lines[1:]:
        if any(cells) and len(cells) != len(header):
            raise ValueError(f"{table}: line {line} has {len(cells)} values; expected {len(header)}, as the header has")
    return [(line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:] if any(cells)]


def number(row: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: {column} is '{row[column]}'; expected a number of pixels")
    return value
