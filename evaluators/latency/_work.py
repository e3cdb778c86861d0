"""What a network's forward pass does, operator by operator: what its latency is made of on whatever device.

How long a multiply-add takes depends on which operator does it: one of a depthwise convolution far longer than one of a dense one,
and what computes little still moves its inputs and outputs through memory, a bilinear upsampling at another pace than an addition.
Both are counted as evaluators/cost counts them, attention as the one kernel that it is on most devices.
"""

from collections import Counter
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from evaluators import cost
from evaluators.cost import _pass, _shapes, core, on_meta, traffic
from evaluators.cost._pass import Watch, products, watched
from evaluators.cost.core import OPERATORS, PRODUCTS
from evaluators.cost.traffic import attended, moves, size, tensors
from space import Arch

MACS, TRAFFIC = "macs_g", "traffic_mb"
"""What is read of an operator: 1e9 multiply-adds, 1e6 bytes read and written. `gelu.traffic_mb`, `matrix.macs_g`."""

CALLS = "calls"
"""How many operators are called; each costs its launch."""

COUNTING = (__file__, *(module.__file__ for module in (cost, _pass, _shapes, core, traffic)))
"""The sources that a reading depends on, beside those of the network."""


@cache
def counting() -> str:
    """12 hex digits of the code that reads work, and of torch, whose operators it sees: figures of another code mean something
    else, whatever they are called."""
    digest = sha1(torch.__version__.encode())
    for file in COUNTING:
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:12]


def work_of(arch: Arch, *, input_size: Sequence[int], classes: int) -> dict[str, float]:
    """The work of one image of `input_size` (height, width), by operator (MACS, TRAFFIC), and CALLS."""
    model, image = on_meta(arch, input_size=input_size, classes=classes)
    work = _Work()
    watched([work], model, image)
    return dict(work.found)


class _Work(Watch):
    """Adds up `found` over the operators that are called."""

    def __init__(self) -> None:
        self.found: Counter[str] = Counter()
        self.functions = {F.scaled_dot_product_attention: self._attention}

    def operator(self, operator: Any, args: tuple[Any, ...], result: Any) -> None:
        if moves(operator):
            macs = OPERATORS[operator](args, result) if operator in OPERATORS else 0
            self._add(_kind(operator, args), (*args, result), macs)

    def _attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
        self._add("attention", (query, key, value), products(query, key, value), also=attended(query, value))
        return 0

    def _add(self, kind: str, operands: tuple[Any, ...], macs: float, also: int = 0) -> None:
        """One call. `also`: bytes moved beside those of the operands."""
        self.found[CALLS] += 1
        self.found[f"{kind}.{TRAFFIC}"] += (sum(map(size, tensors(operands))) + also) / 1e6
        if macs:
            self.found[f"{kind}.{MACS}"] += macs / 1e9


def _kind(operator: Any, args: Sequence[Any]) -> str:
    """The operator's name; all products of matrices are one, and convolutions differ by what makes them fast or slow."""
    name = operator.overloadpacket.__name__
    if name == "convolution":
        weight, groups = args[1], args[-1]
        return "grouped_convolution" if groups > 1 else "convolution_1x1" if set(weight.shape[2:]) == {1} else name
    return "matrix" if operator in PRODUCTS else name
