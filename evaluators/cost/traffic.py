"""Bytes that a forward pass moves."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Counter, Watch


class Traffic(Counter):
    """1e6 bytes that go between memory and the operators of one forward pass, in single precision, where every operator reads its
    operands and writes its result once: no cache and no fusion, but for attention, whose scores stay inside the kernel. A view
    moves nothing. `part`: of weights (and buffers), or of maps."""

    def __init__(self, part: Literal["weights", "maps"]):
        self.part = part

    def watch(self, model: nn.Module, image: torch.Tensor) -> Watch:
        weights = {_key(tensor) for tensor in (*model.parameters(), *model.buffers())}
        return _Moved(weights, of_weights=self.part == "weights")


class _Moved(Watch):
    def __init__(self, weights: set[int], *, of_weights: bool):
        self._weights, self._of_weights = weights, of_weights
        self.functions = {F.scaled_dot_product_attention: self._attention}

    def operator(self, operator: Any, args: tuple[Any, ...], result: Any) -> None:
        if moves(operator):
            self.total += self._bytes(args) + self._bytes(result)

    def _attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
        return self._bytes((query, key, value)) + (0 if self._of_weights else attended(query, value))

    def _bytes(self, operands: Any) -> int:
        return sum(size(t) for t in tensors(operands) if (_key(t) in self._weights) == self._of_weights)

    def value(self) -> float:
        return self.total / 1e6


def moves(operator: Any) -> bool:
    """Whether an operator reads and writes anything; a view and an allocation do not."""
    return not (operator.is_view or operator.namespace == "prims" or operator.overloadpacket in ALLOCATIONS)


def attended(query: torch.Tensor, value: torch.Tensor) -> int:
    """Bytes that attention writes."""
    return query.numel() // query.shape[-1] * value.shape[-1] * query.element_size()


def tensors(operands: Any) -> Iterator[torch.Tensor]:
    """Those among the operands or results of an operator, however nested."""
    if isinstance(operands, torch.Tensor):
        yield operands
    elif isinstance(operands, list | tuple):
        for operand in operands:
            yield from tensors(operand)


def size(tensor: torch.Tensor) -> int:
    """Bytes of a tensor: what is there to be read: of an expanded tensor the memory behind it."""
    return min(tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes())


def _key(tensor: torch.Tensor) -> int:
    """The same for all views of one memory."""
    return tensor.untyped_storage()._cdata


aten = torch.ops.aten
ALLOCATIONS = {aten.empty, aten.new_empty, aten.empty_like, aten.empty_strided, aten.new_empty_strided, aten.empty_permuted}

weight_traffic_mb = COUNTERS.register("weight_traffic_mb")(Traffic("weights"))
activation_traffic_mb = COUNTERS.register("activation_traffic_mb")(Traffic("maps"))
