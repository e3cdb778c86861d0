"""Multiply-adds under the convention of the package thop, which many published tables use."""

import math
from typing import Any

import torch
from torch import nn
from torchvision.ops import DeformConv2d

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, convolution, linear


def _norm(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    return 4 * args[0].numel()


def _pool(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    return y.numel()


def _adaptive_pool(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    ratio = math.prod(before / after for before, after in zip(args[0].shape[2:], y.shape[2:], strict=True))
    return int((ratio + 1) * y.numel())  # rounded down, as there


def _upsample(module: nn.Module, args: tuple[Any, ...], y: torch.Tensor) -> int:
    return UPSAMPLED.get(module.mode, 0) * y.numel()


UPSAMPLED = {"nearest": 1, "bilinear": 11}
RULES = {
    nn.Conv2d: convolution,
    DeformConv2d: convolution,
    nn.Linear: linear,
    nn.LayerNorm: _norm,
    nn.BatchNorm2d: _norm,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Upsample: _upsample,
}

macs_thop_g = COUNTERS.register("macs_thop_g")(Tally(1e9, modules=RULES))
"""1e9 'MACs' as thop 0.1.1 prints them. It reads modules only, so the products of attention and of matrices over positions
are missing; layer and batch norms count 4 an element, group norm 0, an upsampling module 1 an output element where it repeats
the nearest, 11 where it is bilinear (a call of the function counts nothing). To compare with published tables, not to rank
architectures by."""
