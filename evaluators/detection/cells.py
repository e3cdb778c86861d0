"""The cells that a detector predicts from, one box each, and what its four raw numbers say about that box."""

from dataclasses import dataclass

import torch
from torch import Tensor

STRIDES = (8, 16, 32)
LARGEST = 8.0
"""Cap on the raw tw and th: e^8 is 2981 strides, wider than any image, and its square is far from float32's limit."""


@dataclass(frozen=True)
class Cells:
    """N cells in the order of a network's rows. corner: (N, 2) column and row in the cell's own map; stride: (N, 1) pixels."""

    corner: Tensor
    stride: Tensor

    @property
    def centre(self) -> Tensor:
        """(N, 2) x, y in pixels. Assignment measures from here, decoding from the corner."""
        return (self.corner + 0.5) * self.stride

    def __getitem__(self, index: Tensor) -> "Cells":
        return Cells(self.corner[index], self.stride[index])

    def __len__(self) -> int:
        return len(self.stride)


def cells(size: tuple[int, int], device: torch.device | str = "cpu") -> Cells:
    """The cells of an image of `size` (height, width): those of stride 8, then 16, then 32, each map row by row."""
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
        corners.append(torch.stack([x, y], -1).view(-1, 2))
        strides.append(torch.full((rows * columns, 1), float(stride), device=device))
    return Cells(torch.cat(corners).float(), torch.cat(strides))


def count(size: tuple[int, int]) -> int:
    """How many cells an image of `size` (height, width) has."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in STRIDES)


def decode(raw: Tensor, cells: Cells) -> Tensor:
    """Raw (..., N, 4) tx, ty, tw, th to boxes (..., N, 4) cx, cy, w, h in pixels, in float32.

    Source: github.com/Megvii-BaseDetection/YOLOX. Its own outputs stay far below the cap on tw and th.
    """
    raw = raw.float()
    centre = (raw[..., :2] + cells.corner) * cells.stride
    return torch.cat([centre, raw[..., 2:].clamp(max=LARGEST).exp() * cells.stride], -1)


def encode(boxes: Tensor, cells: Cells) -> Tensor:
    """Boxes (N, 4) cx, cy, w, h in pixels to the raw numbers that decode to them: what the L1 loss compares with."""
    centre = boxes[:, :2] / cells.stride - cells.corner
    return torch.cat([centre, (boxes[:, 2:] / cells.stride + 1e-8).log()], -1)


def to_corners(boxes: Tensor) -> Tensor:
    """(..., 4) cx, cy, w, h to x1, y1, x2, y2."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def to_centre(boxes: Tensor) -> Tensor:
    """(..., 4) x1, y1, x2, y2 to cx, cy, w, h; a box turned inside out has size 0."""
    first, last = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(first + last) / 2, (last - first).clamp(min=0)], -1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) cx, cy, w, h, broadcast; 0 where both are empty."""
    one, other = to_corners(first), to_corners(second)
    sides = torch.minimum(one[..., 2:], other[..., 2:]) - torch.maximum(one[..., :2], other[..., :2])
    shared = sides.clamp(min=0).prod(-1)
    return shared / (first[..., 2:].prod(-1) + second[..., 2:].prod(-1) - shared + 1e-16)
