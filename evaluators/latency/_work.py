"""What a network's forward pass does, operator by operator: what its latency is made of on whatever device.

Multiply-adds are told apart by how fast devices do them: a depthwise convolution takes far longer for each than a dense one. What
computes little still moves its inputs and outputs through memory, and every call costs its launch. Both are counted as
evaluators/cost counts them, attention as the one kernel that it is on most devices.
"""

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
from evaluators.cost.core import CONVOLUTIONS, OPERATORS
from evaluators.cost.traffic import attended, moves, size, tensors
from space import Arch

KINDS = {
    "dense": "convolutions",
    "grouped": "convolutions in groups, depthwise ones included",
    "matrix": "linear layers, attention",
}
WORK = (
    *(f"work_{kind}_macs_g" for kind in KINDS),
    *(f"work_{kind}_traffic_mb" for kind in (*KINDS, "norm", "pool", "other")),
    "work_calls",
)
"""Names of what is read: 1e9 multiply-adds, 1e6 bytes read and written, calls of operators."""

WORK_CODE = "work_code"
"""Name of what says by which code they were read."""

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
    """The work of one image of `input_size` (height, width)."""
    model, image = on_meta(arch, input_size=input_size, classes=classes)
    work = _Work()
    watched([work], model, image)
    return work.found


class _Work(Watch):
    """Adds up `found` over the operators that are called."""

    def __init__(self) -> None:
        self.found = dict.fromkeys(WORK, 0.0)
        self.functions = {F.scaled_dot_product_attention: self._attention}

    def operator(self, operator: Any, args: tuple[Any, ...], result: Any) -> None:
        if moves(operator):
            macs = OPERATORS[operator](args, result) if operator in OPERATORS else 0
            self._add(_kind(operator, args), (*args, result), macs)

    def _attention(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
        self._add("matrix", (query, key, value), products(query, key, value), also=attended(query, value))
        return 0

    def _add(self, kind: str, operands: tuple[Any, ...], macs: float, also: int = 0) -> None:
        """One call. `also`: bytes moved beside those of the operands."""
        self.found["work_calls"] += 1
        self.found[f"work_{kind}_traffic_mb"] += (sum(map(size, tensors(operands))) + also) / 1e6
        if kind in KINDS:
            self.found[f"work_{kind}_macs_g"] += macs / 1e9


def _kind(operator: Any, args: Sequence[Any]) -> str:
    name = operator.overloadpacket.__name__
    if operator in CONVOLUTIONS:
        return "grouped" if name == "deform_conv2d" or args[-1] > 1 else "dense"
    if operator in OPERATORS:
        return "matrix"
    return "norm" if "norm" in name or name == "var_mean" else "pool" if "pool" in name or "upsample" in name else "other"
