"""What an architecture costs, read off the network itself: no weights, no data, no training.

Every counter is a file here and registers under the measurement it gives. Contract: `counter(model, image) -> float | None`, where
the model is in eval mode and, like the image (1, 3, H, W), on the meta device; None: the counter cannot read this network. One
that is a `Counter` (evaluators/cost/_pass.py) shares a single pass of the network with the others."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from evaluators.cost._pass import Counter, run
from registry import Registry, import_siblings
from space import Arch, build_measured

COUNTERS: Registry[Callable[[nn.Module, torch.Tensor], float | None]] = Registry("cost")


def measure_cost(
    arch: Arch, *, input_size: Sequence[int], classes: int, names: Sequence[str] | None = None
) -> dict[str, float | None]:
    """Every counter's reading (or those in `names`) for one image of `input_size` (height, width).
    Units end the names: m 1e6, g 1e9, mb 1e6 bytes."""
    model, image = on_meta(arch, input_size=input_size, classes=classes)
    asked = {name: COUNTERS[name] for name in names or COUNTERS}
    shared = {name: counter for name, counter in asked.items() if isinstance(counter, Counter)}
    with torch.no_grad():
        read = run(shared, model, image) if shared else {}
        return {name: read[name] if name in read else counter(model, image) for name, counter in asked.items()}


def on_meta(arch: Arch, *, input_size: Sequence[int], classes: int) -> tuple[nn.Module, torch.Tensor]:
    """The network in eval mode and an image for it, both without memory."""
    with torch.device("meta"), _Uninitialised():
        model = build_measured(arch, classes, image_size=tuple(input_size)).eval()
        return model, torch.empty(1, 3, *input_size)


class _Uninitialised(TorchFunctionMode):
    """Inside it, torch's initialisers leave a tensor as it is: without memory there is nothing to fill, yet it would take half of
    the time of building."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


import_siblings(__name__)
