"""Multiply-adds that do the work."""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evaluators.cost import COUNTERS


@COUNTERS.register("macs_g")
def macs_g(model: nn.Module, image: torch.Tensor) -> float:
    """1e9 multiply-adds of convolutions (deformable ones too), linear layers, matrices over positions and the two products of
    attention; no biases, norms or activations.

    torch counts two operations a multiply-add. On the meta device it sees attention as its two products; on others it may count
    the fused kernel as nothing.
    """
    with FlopCounterMode(display=False, custom_mapping={torch.ops.torchvision.deform_conv2d: _deform_conv}) as counter:
        model(image)
    return counter.get_total_flops() / 2 / 1e9


def _deform_conv(x: Sequence[int], weight: Sequence[int], *args: Any, out_shape: Sequence[int], **options: Any) -> int:
    """As the convolution that it is; reading between positions is not counted."""
    return 2 * out_shape[0] * prod(out_shape[2:]) * prod(weight)
