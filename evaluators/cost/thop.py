"""Multiply-adds under the convention of the package thop, which many published tables use."""

import math
from collections.abc import Callable

import torch
from torch import nn
from torchvision.ops import DeformConv2d

from evaluators.cost import COUNTERS


@COUNTERS.register("macs_thop_g")
def macs_thop_g(model: nn.Module, image: torch.Tensor) -> float:
    """1e9 'MACs' as thop 0.1.1 prints them. It reads modules only, so the products of attention and of matrices over positions
    are missing; layer and batch norms count 4 an element, group norm 0. To compare with published tables, not to rank
    architectures by."""
    total = 0

    def listen(rule: Callable[[nn.Module, torch.Tensor, torch.Tensor], int]) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            nonlocal total
            total += rule(module, args[0], output)

        return hook

    rules = ((module, _rule(module)) for module in model.modules())
    handles = [module.register_forward_hook(listen(rule)) for module, rule in rules if rule]
    try:
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return total / 1e9


def _rule(module: nn.Module) -> Callable[[nn.Module, torch.Tensor, torch.Tensor], int] | None:
    return next((rule for kind, rule in RULES.items() if isinstance(module, kind)), None)


def _convolution(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return y.numel() * module.in_channels // module.groups * math.prod(module.kernel_size)


def _linear(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return y.numel() * module.in_features


def _norm(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return 4 * x.numel()


def _pool(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    return y.numel()


def _adaptive_pool(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    ratio = math.prod(before / after for before, after in zip(x.shape[2:], y.shape[2:], strict=True))
    return int((ratio + 1) * y.numel())  # rounded down, as there


RULES = {
    nn.Conv2d: _convolution,
    DeformConv2d: _convolution,
    nn.Linear: _linear,
    nn.LayerNorm: _norm,
    nn.BatchNorm2d: _norm,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
}
