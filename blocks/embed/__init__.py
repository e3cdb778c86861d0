"""Patch embeddings: a map of one stage becomes the coarser map of the next.

Contract: `Option(channels, dim, kernel, stride, padding=None, *, choices)`; (B, channels, H, W) -> (B, dim, h, w), h and w as
`coarser` says; padding None is kernel // 2; channels_last out."""

from collections.abc import Sequence
from typing import Annotated

from registry import Option, Slot, import_siblings

EMBED = Slot("embed")
Embed = Annotated[Option, EMBED]


def coarser(grid: Sequence[int], kernel: int, stride: int, padding: int | None = None) -> tuple[int, int]:
    """The (height, width) of the map that an embedding makes of one of `grid`."""
    padding = kernel // 2 if padding is None else padding
    height, width = ((side + 2 * padding - kernel) // stride + 1 for side in grid)
    return height, width


import_siblings(__name__)
