"""ShanghaiTech, parts A and B, in their published folders."""

import functools
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from evaluators.data import DATA, checked, pointed
from evaluators.data.pairs import part_of
from registry import nearest

PARTS = ("A", "B")
JUDGES = ("held_out", "test")
FOLDERS = ("ground-truth", "ground_truth")
"""How the copies that are about spell the folder of the points."""

SLACK = 0.1
"""How far a point may lie outside its image, as a part of the longer side: published heads at the edge do, and are counted."""

UNREADABLE = (OSError, ValueError, TypeError, LookupError, EOFError, NotImplementedError, MatReadError, zlib.error)


@DATA.register("shanghaitech")
@dataclass(frozen=True)
class ShanghaiTech(pointed.PointedFiles):
    """Crowds with a point on each head: part A 300 training and 182 test images, part B 400 and 316, as published in
    part_<A or B>/{train_data,test_data}/images/IMG_<k>.jpg and .../ground-truth/GT_IMG_<k>.mat. `root` is that folder or one that
    holds it, at most two levels above; part_A_final and ground_truth are known too.

    `val` names what is judged by: `held_out` the part of the training images that is `held_out`, always the same, which leaves test
    untouched, and `test` the test images, with all others learned, as in published tables. Points outside their image are moved
    onto its edge. Source: Zhang et al., CVPR 2016 (MCNN)
    """

    part: str = "A"
    val: str = "held_out"
    held_out: float = 0.1

    class_names: ClassVar[tuple[str, ...]] = ("person",)
    expected: ClassVar[str] = "part_A or part_B, which hold train_data/ and test_data/, or a folder with them"

    def __post_init__(self):
        for name, given, known in (("part", self.part, PARTS), ("val", self.val, JUDGES)):
            if given not in known:
                raise ValueError(f"data.{name}: unknown '{given}'; {nearest(given, list(known))}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"data.held_out: {self.held_out}; expected a part of the training images, above 0 and below 1")

    def images(self, split: pointed.Split) -> tuple[pointed.PointedImage, ...]:
        home = find_part(self.folder, self.part)
        if self.val == "test":
            return read_split(home / ("train_data" if split == "train" else "test_data"))
        known = read_split(home / "train_data")
        if len(known) < 2:
            raise ValueError(f"{home / 'train_data'}: {len(known)} image; expected 2 or more to hold some out, or data.val=test")
        judged = {image.path for image in part_of(known, min(self.held_out, 1 - 1 / len(known)), seed=0)}
        return tuple(image for image in known if (image.path in judged) == (split == "val"))


def find_part(root: Path, part: str) -> Path:
    """The folder of a part at or under root; ValueError naming what was looked for."""
    other = PARTS[1 - PARTS.index(part)]
    below = (path for pattern in ("*", "*/*") for path in sorted(root.glob(pattern)) if named(path, part))
    for folder in (*([] if named(root, other) else [root]), *below):
        if (folder / "train_data").is_dir():
            return folder
    raise ValueError(
        f"data.root: {root} is no part_{part} (or part_{part}_final) with train_data/, nor is any folder up to two levels below it"
    )


def named(folder: Path, part: str) -> bool:
    return bool(re.fullmatch(rf"part_?{part}(_final)?", folder.name, re.IGNORECASE))


@functools.lru_cache(maxsize=4)
def read_split(folder: Path) -> tuple[pointed.PointedImage, ...]:
    """The images of train_data or test_data by their number, read once for each process; what the files said is remembered."""
    paths = sorted(pointed.listed(folder / "images"), key=lambda path: (len(path.stem), path.stem))
    truths = find_truths(folder)
    files = [(path, truths / f"GT_{path.stem}.mat") for path in paths]
    for image, truth in files:
        if not truth.is_file():
            raise ValueError(f"{truth}: missing file; expected the points of {image.name}")
    for truth in sorted(set(truths.glob("GT_*.mat")) - {truth for _, truth in files}):
        image = folder / "images" / f"{truth.stem.removeprefix('GT_')}.jpg"
        raise ValueError(f"{image}: missing image; expected it, since there is {truth.name}")
    parse = functools.partial(checked.each, lambda pair: read_row(*pair), files)
    rows = checked.remembered(parse, [path for pair in files for path in pair], facts=("shanghaitech", SLACK))
    return tuple(pointed.PointedImage.of(row, upright=False) for row in rows)


def find_truths(folder: Path) -> Path:
    for name in FOLDERS:
        if (folder / name).is_dir():
            return folder / name
    raise ValueError(f"{folder / FOLDERS[0]}: missing folder (and {FOLDERS[1]}); expected the split's GT_IMG_<k>.mat in it")


def read_row(image: Path, truth: Path) -> pointed.Row:
    size = pointed.size_of(image, upright=False)
    return str(image), str(truth), pointed.within(read_mat(truth), size, str(truth), slack=SLACK * max(size))


def read_mat(truth: Path) -> list[list[float]]:
    """The points (x, y) as the file has them; ValueError where it is none of these files."""
    try:
        found: Any = loadmat(truth, variable_names=["image_info"])["image_info"][0][0][0][0][0]  # a cell of a struct's location
        xy = np.asarray(found, np.float64)
    except UNREADABLE as error:
        raise ValueError(
            f"{truth}: not a readable .mat file of points ({error}); expected image_info{{1}}.location, (N, 2), as published"
        ) from None
    if xy.size and (xy.ndim != 2 or xy.shape[1] != 2):
        raise ValueError(f"{truth}: points of shape {xy.shape}; expected (N, 2), x and y in pixels")
    return xy.reshape(-1, 2).tolist()
