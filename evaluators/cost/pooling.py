"""Additions of poolings."""

from math import prod
from typing import Any

import torch
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally


def _pool(
    x: torch.Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False, *args: Any, **options: Any
) -> int:
    return prod(_pair(kernel_size)) * F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode).numel()


def _adaptive_pool(x: torch.Tensor, *args: Any, **options: Any) -> int:
    return x.numel()


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else tuple(size)


pool_adds_g = COUNTERS.register("pool_adds_g")(Tally(1e9, functions={F.avg_pool2d: _pool, F.adaptive_avg_pool2d: _adaptive_pool}))
"""1e9 additions of average poolings: k * k for each output element, padding not told apart; of adaptive ones one for each input
element. Counters of multiply-adds do not see the size of a pooling."""
