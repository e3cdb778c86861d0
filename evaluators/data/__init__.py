"""Data sets by name. An option is a frozen dataclass of its settings, registered under its file's name; the contract is `Data`."""

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from registry import Registry, import_siblings

DATA: Registry[type["Data"]] = Registry("data")


class Samples(Protocol):
    """One split, indexed; picklable, because loader workers copy it.

    An item is (image, target): the image (3, H, W) uint8 RGB as a `tv_tensors.Image`. A target of kind 'mask' is a
    `tv_tensors.Mask` (H, W) uint8 of class ids, 255 = not scored; one of kind 'label' an int, which collates to (B,) int64; one of
    kind 'boxes' a dict that collates to `evaluators.boxes.Boxes`: boxes, `tv_tensors.BoundingBoxes` (N, 4) float32 XYXY in pixels
    of the image; labels (N,) int64; ignored (N,) bool; scale, pixels of the image per pixel of the file it comes from. One
    of kind 'points' a dict that collates to `evaluators.points.Points`: points, `tv_tensors.KeyPoints` (N, 2) float32 x, y.
    `uniform`: all items have one size and fit one batch.
    """

    uniform: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[torch.Tensor, Any]: ...


class Data(Protocol):
    """What the evaluators need of a data set. `target` names the kind of truth ('mask', 'label', 'boxes', 'points'); a task says
    which it reads."""

    target: ClassVar[str]

    @property
    def classes(self) -> int:
        """Number of classes that a network must tell apart."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """One name for each class id."""

    def check(self) -> None:
        """Find every fault of the files before the first trial: ValueError naming the file and what was expected."""

    def train_set(self, size: int, fraction: float, seed: int) -> Samples:
        """The training split for images of `size` pixels, or the `fraction` (0, 1] of it that `seed` chooses."""

    def val_set(self, size: int) -> Samples:
        """The whole validation split, its images brought to `size` as the data set's protocol says."""


def from_root(data: Any) -> Any:
    """The data set with its folder spelled from the root: a worker's own folder may be another one."""
    root = getattr(data, "root", None)
    return replace(data, root=str(Path(root).expanduser().resolve())) if root else data


import_siblings(__name__)
