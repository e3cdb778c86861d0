"""What counters share that watch the functions a network calls."""

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

Rules = Mapping[Callable[..., Any], Callable[..., int]]


class Functions(TorchFunctionMode):
    """Inside it, `total` adds up what `rules` say of the functions that are called, from modules or directly; a rule takes the
    function's own arguments."""

    def __init__(self, rules: Rules):
        super().__init__()
        self.rules = rules
        self.total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if rule := self.rules.get(func):
            self.total += int(rule(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


def products(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
    """Multiply-adds of attention's two products, for the arguments of `scaled_dot_product_attention`: query (.., N, d), key
    (.., M, d), value (.., M, e)."""
    scores = prod(query.shape[:-1]) * key.shape[-2]
    return scores * query.shape[-1] + scores * value.shape[-1]
