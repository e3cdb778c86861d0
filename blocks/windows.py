"""Windows: a map cut into rectangles that do not overlap, each a row of tokens of its own.

Maps are (B, H, W, C). A map that windows do not divide is padded at its right and bottom; `real` says which tokens are not padding.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional as F

from blocks.attend import attend


def partition(x: torch.Tensor, window: Sequence[int]) -> torch.Tensor:
    """(B, H, W, C) -> (B * n, h * w, C) for windows of (h, w), row by row of the map, padded with zeros where they do not divide
    it."""
    h, w = window
    bottom, right = -x.shape[1] % h, -x.shape[2] % w
    if bottom or right:
        x = F.pad(x, (0, 0, 0, right, 0, bottom))
    return x.unflatten(2, (-1, w)).unflatten(1, (-1, h)).transpose(2, 3).flatten(3, 4).flatten(0, 2)


def merge(tokens: torch.Tensor, window: Sequence[int], grid: Sequence[int]) -> torch.Tensor:
    """Undo `partition`: (B * n, h * w, C) -> (B, H, W, C) for a map of `grid` (H, W), its padding cut off."""
    (h, w), (height, width) = window, grid
    down, across = -(-height // h), -(-width // w)
    x = tokens.unflatten(1, (h, w)).unflatten(0, (-1, down, across)).transpose(2, 3)  # (B, down, h, across, w, C)
    return x.flatten(3, 4).flatten(1, 2)[:, :height, :width].contiguous()


def real(grid: Sequence[int], window: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """(n, h * w), True where a token is a position of the map and False where it pads a window; None where nothing is padded.
    No window is padding alone."""
    if grid[0] % window[0] == 0 and grid[1] % window[1] == 0:
        return None
    return partition(torch.ones(1, *grid, 1, dtype=torch.bool, device=device), window).squeeze(2)


def readable(part: Sequence[int], grid: Sequence[int], window: Sequence[int], device: torch.device) -> torch.Tensor | None:
    """`real` for a map of `grid` of which only `part`, (height, width) at the top left, is real and the rest padding itself.
    Windows of nothing but padding are all True: attention in them has no meaning, but stays finite."""
    if tuple(part) == tuple(grid):
        return real(grid, window, device)
    positions = torch.zeros(1, *grid, 1, dtype=torch.bool, device=device)
    positions[:, : part[0], : part[1]] = True
    tokens = partition(positions, window).squeeze(2)
    return tokens | ~tokens.any(1, keepdim=True)


def attend_in_windows(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *, heads: int, window: Sequence[int]
) -> torch.Tensor:
    """Attention of each position to those of its own window: (B, H, W, C) twice and (B, H, W, D) -> (B, H, W, D). A window larger
    than the map is cut to the map; padding is never read."""
    grid = query.shape[1:3]
    window = [min(side, whole) for side, whole in zip(window, grid, strict=True)]
    mask = real(grid, window, query.device)
    mask = None if mask is None else mask.repeat(query.shape[0], 1)  # (B * n, h * w)
    mixed = attend(*(partition(tokens, window) for tokens in (query, key, value)), heads=heads, mask=mask)
    return merge(mixed, window, grid)
