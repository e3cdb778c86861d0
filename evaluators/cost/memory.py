"""Memory of the forward pass."""

import weakref
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from evaluators.cost import COUNTERS


@COUNTERS.register("memory_mb")
def memory_mb(model: nn.Module, image: torch.Tensor) -> float:
    """1e6 bytes that are alive at once, at most, while one image goes through in single precision: weights, buffers, image and
    maps. An allocator's rounding and a kernel's scratch space are not in it; attention counts as the fused kernel, which keeps no
    scores."""
    with _Live() as live, _FusedAttention():
        live.add([*model.parameters(), *model.buffers(), image])
        model(image)
    return live.peak / 1e6


class _Live(TorchDispatchMode):
    """Follows the storages of all tensors made inside: `now` is the bytes that something still refers to."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._known: weakref.WeakSet[torch.UntypedStorage] = weakref.WeakSet()

    def add(self, tensors: list[Any]) -> None:
        for storage in (t.untyped_storage() for t in tensors if isinstance(t, torch.Tensor)):
            if storage not in self._known:
                self._known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._free, storage.nbytes())
        self.peak = max(self.peak, self.now)

    def _free(self, size: int) -> None:
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.add(tree_leaves(result))
        return result


class _FusedAttention(TorchFunctionMode):
    """Stands in for the fused kernel: the meta device would write the scores out."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is F.scaled_dot_product_attention:
            query, _, value = args[:3]
            # (B, heads, N, head dim) in (B, N, heads, head dim) memory, as the kernels return it
            return query.new_empty(query.shape[0], query.shape[2], query.shape[1], value.shape[3]).transpose(1, 2)
        return func(*args, **(kwargs or {}))
