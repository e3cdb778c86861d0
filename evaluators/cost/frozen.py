"""Parameters that no training changes."""

import torch
from torch import nn

from evaluators.cost import COUNTERS


@COUNTERS.register("frozen_params_m")
def frozen_params_m(model: nn.Module, image: torch.Tensor) -> float:
    """Millions of parameters that take no gradient, such as random matrices; they are in `params_m` too."""
    return sum(parameter.numel() for parameter in model.parameters() if not parameter.requires_grad) / 1e6
