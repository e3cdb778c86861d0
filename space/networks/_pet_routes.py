"""Which windows of queries PET decodes: its two levels, and the way from patches to windows.

Windows of a batch are counted through: row by row of a map, one image after the other.
"""

from dataclasses import dataclass
from typing import Literal

import torch

PATCH = (8, 16)
"""Height and width of a patch, in positions of stride 8."""
ROUTES = ("learned", "sparse", "dense", "half", "both")
Route = Literal["learned", "sparse", "dense", "half", "both"]


@dataclass(frozen=True)
class Level:
    """Queries of one density: their stride in pixels, the (height, width) of a window of them, and of the window of the encoder's
    map over the same pixels."""

    stride: int
    window: tuple[int, int]
    memory: tuple[int, int]


SPARSE = Level(8, (8, 16), (8, 16))
DENSE = Level(4, (4, 8), (2, 4))


@dataclass(frozen=True)
class Scene:
    """The encoder's map (B, C, h8, w8), the code (h8, w8, C) of its positions, and the (height, width) of the image, whose padding
    the map has too."""

    memory: torch.Tensor
    code: torch.Tensor
    size: tuple[int, int]

    @property
    def part(self) -> tuple[int, int]:
        """Height and width of the map without padding."""
        return real_part(self.size)


def real_part(size: tuple[int, int]) -> tuple[int, int]:
    """Of the map of stride 8: (height, width) that come from an image of `size`."""
    return -(-size[0] // 8), -(-size[1] // 8)


def windows_of(level: Level, scene: Scene, device: torch.device) -> torch.Tensor:
    """(h, w) for the windows of the padded map: whether the encoder's map is real anywhere in one."""
    height, width = scene.part
    down, across = (side // window for side, window in zip(scene.memory.shape[2:], level.memory, strict=True))
    rows = torch.arange(down, device=device) * level.memory[0] < height
    return rows[:, None] & (torch.arange(across, device=device) * level.memory[1] < width)


def patches_of(route: str, grid: torch.Size) -> tuple[torch.Tensor, torch.Tensor]:
    """Which patches of (hp, wp) a fixed route sends to the sparse level and which to the dense one."""
    every = torch.ones(grid, dtype=torch.bool, device="cpu")
    odd = sum(torch.meshgrid(*(torch.arange(side, device="cpu") for side in grid), indexing="ij")) % 2 == 1
    routes = {"sparse": (every, ~every), "dense": (~every, every), "half": (~odd, odd), "both": (every, every)}
    if route not in routes:
        raise ValueError(f"pet: route given '{route}'; allowed: {', '.join(ROUTES)}")
    return routes[route]


def windows_kept(level: Level, patches: torch.Tensor, scene: Scene) -> torch.Tensor | None:
    """The numbers of the windows, counted through the batch, that lie in `patches` (B, hp, wp) and not in padding alone.
    None: all of them."""
    times = PATCH[0] // level.memory[0]
    windows = patches.repeat_interleave(times, 1).repeat_interleave(times, 2)
    windows = windows & windows_of(level, scene, patches.device)
    numbers = windows.flatten().nonzero().squeeze(1).to(scene.memory.device)
    return None if len(numbers) == windows.numel() else numbers


def chosen(windows: torch.Tensor, kept: torch.Tensor | None, batch: int = 1) -> torch.Tensor:
    """Those of `kept` among the windows (B * n, ...) of a batch, or (n, ...), the same in each of `batch` images."""
    if kept is not None:
        return windows.index_select(0, kept % len(windows))
    return windows if batch == 1 else windows.repeat(batch, *[1] * (windows.ndim - 1))
