"""What an architecture costs, read off the network itself: no weights, no data, no training.

Every counter is a file here and registers under the measurement it gives. Contract: `counter(model, image) -> float | None`, where
the model is in eval mode and, like the image (1, 3, H, W), on the meta device; None: the counter cannot read this network.
"""

from collections.abc import Callable, Sequence

import torch
from torch import nn

from registry import Registry, import_siblings
from space import Arch, build_measured

COUNTERS: Registry[Callable[[nn.Module, torch.Tensor], float | None]] = Registry("cost")


def measure_cost(
    arch: Arch, *, input_size: Sequence[int], classes: int, names: Sequence[str] | None = None
) -> dict[str, float | None]:
    """Every counter's reading (or those in `names`) for one image of `input_size` (height, width).
    Units end the names: m 1e6, g 1e9, mb 1e6 bytes."""
    with torch.device("meta"):
        model = build_measured(arch, classes, image_size=tuple(input_size)).eval()
        image = torch.empty(1, 3, *input_size)
    with torch.no_grad():
        return {name: COUNTERS[name](model, image) for name in names or COUNTERS}


import_siblings(__name__)
