"""Multiply-adds that do the work."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evaluators.cost import COUNTERS


@COUNTERS.register("macs_g")
def macs_g(model: nn.Module, image: torch.Tensor) -> float:
    """1e9 multiply-adds of convolutions, linear layers and the two products of attention; no biases, norms or activations.

    torch counts two operations a multiply-add. On the meta device it sees attention as its two products; on others it may count
    the fused kernel as nothing.
    """
    with FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() / 2 / 1e9
