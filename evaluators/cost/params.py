"""Parameters."""

import torch
from torch import nn

from evaluators.cost import COUNTERS


@COUNTERS.register("params_m")
def params_m(model: nn.Module, image: torch.Tensor) -> float:
    """Millions of parameters. All of them are live: a network creates no layer that it does not use (the tests hold it to that)."""
    return sum(parameter.numel() for parameter in model.parameters()) / 1e6
