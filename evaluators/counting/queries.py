"""Where point queries lie: one in each cell of two maps, grouped into windows and patches, in the order of a network's rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

PATCH = (64, 128)
"""Height and width, in pixels, of what a quadtree decides about: it is asked about by the sparse or by the dense level."""


@dataclass(frozen=True)
class Level:
    """`stride`: pixels from query to query; `window`: height and width in pixels of the queries that are decoded together."""

    stride: int
    window: tuple[int, int]

    def rows(self, grid: tuple[int, int]) -> int:
        """Queries of a map of `grid` (rows, columns) patches."""
        return grid[0] * grid[1] * PATCH[0] * PATCH[1] // self.stride**2

    def spread(self, values: Tensor, window: tuple[int, int]) -> Tensor:
        """(..., N): for each query the value of the window that it lies in, from (..., h, w) values of `window` pixels each."""
        down, across = (side // self.stride for side in window)
        return values.repeat_interleave(down, -2).repeat_interleave(across, -1).flatten(-2)

    def eligible(self, grid: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """(N,) bool: whether the query's window holds any pixel of the image of `size` (height, width), not padding alone."""
        return self.spread(holds_image(grid, size, self.window), self.window)


LEVELS: Mapping[str, Level] = {"sparse": Level(8, PATCH), "dense": Level(4, (16, 32))}
"""Source: arXiv 2308.13814 and github.com/cxliu0/PET."""


def holds_image(grid: tuple[int, int], size: tuple[int, int], window: tuple[int, int] = PATCH) -> Tensor:
    """(h, w) bool: the windows of a map of `grid` patches that begin within an image of `size`, so that some of it is in them."""
    down, across = (torch.arange(0, n * patch, step) for n, patch, step in zip(grid, PATCH, window, strict=True))
    return (down < size[0])[:, None] & (across < size[1])


def asked(rows: Tensor, grid: tuple[int, int], size: tuple[int, int], *, level: Level) -> Tensor:
    """(B, N) bool: the rows (B, N, 4) that a network decoded, for a query whose window holds any of the image.

    A row that was not decoded has -inf as the logit of a person. One that is not a number was: the loss shows it.
    """
    return (rows[..., 1] != -torch.inf) & level.eligible(grid, size).to(rows.device)


def chances(rows: Tensor) -> Tensor:
    """(..., N) the probability of a person, from the first two of (..., N, 4) numbers; 0 where a row was not decoded."""
    return rows[..., :2].float().softmax(-1)[..., 1]
