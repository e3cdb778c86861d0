"""Memory of the forward pass."""

import weakref
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Counter, Watch


class Peak(Counter):
    """1e6 bytes that are alive at once, at most, while one image goes through in single precision: weights, buffers, image and
    maps. An allocator's rounding and a kernel's scratch space are not in it; attention counts as the fused kernel, which keeps no
    scores."""

    def watch(self, model: nn.Module, image: torch.Tensor) -> Watch:
        return _Live([*model.parameters(), *model.buffers(), image])


class _Live(Watch):
    """Follows the storages of all tensors that are made: `now` is the bytes that something still refers to."""

    def __init__(self, tensors: list[torch.Tensor]):
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()
        self.operator(None, (), tensors)

    def operator(self, operator: Any, args: tuple[Any, ...], result: Any) -> None:
        tensors = [result] if isinstance(result, torch.Tensor) else tree_leaves(result)
        for storage in (t.untyped_storage() for t in tensors if isinstance(t, torch.Tensor)):
            if storage not in self._known:
                self._known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self.now)

    def _free(self, size: int) -> None:
        self.now -= size

    def value(self) -> float:
        return self.peak / 1e6


memory_mb = COUNTERS.register("memory_mb")(Peak())
