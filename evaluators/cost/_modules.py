"""What counters share that read a network's modules, one by one, as they run."""

from collections.abc import Callable, Mapping
from math import prod

import torch
from torch import nn

Rule = Callable[[nn.Module, torch.Tensor, torch.Tensor], int]
"""What a module costs that makes the second tensor of the first."""


def counted(model: nn.Module, image: torch.Tensor, rules: Mapping[type[nn.Module], Rule]) -> int:
    """The sum of `rules` over every call of a module that one is for; the first whose type the module is of counts."""
    total = 0

    def listen(rule: Rule) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            nonlocal total
            total += rule(module, args[0], output)

        return hook

    found = ((module, _rule(module, rules)) for module in model.modules())
    handles = [module.register_forward_hook(listen(rule)) for module, rule in found if rule]
    try:
        model(image)
    finally:
        for handle in handles:
            handle.remove()
    return total


def _rule(module: nn.Module, rules: Mapping[type[nn.Module], Rule]) -> Rule | None:
    return next((rule for kind, rule in rules.items() if isinstance(module, kind)), None)


def convolution(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """Multiply-adds without biases."""
    return y.numel() * module.in_channels // module.groups * prod(module.kernel_size)


def linear(module: nn.Module, x: torch.Tensor, y: torch.Tensor) -> int:
    """Multiply-adds without biases."""
    return y.numel() * module.in_features
