"""Multiply-adds that do the work, whole and in two parts."""

from math import prod
from typing import Any

import torch
from torch.nn import functional as F
from torch.utils.flop_counter import flop_registry

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, products


def _as_torch_counts(formula: Any) -> Any:
    """torch's own formula for an operator, which counts two operations a multiply-add. Most are made to be given shapes; torch's
    wrapper, which takes the operands apart whatever they are nested in, is left out."""
    plain = getattr(formula, "__wrapped__", None)
    if plain is None:
        return lambda args, result: formula(*args, out_val=result) // 2
    return lambda args, result: plain(*map(_shape, args), out_shape=_shape(result)) // 2


def _shape(operand: Any) -> Any:
    return operand.shape if isinstance(operand, torch.Tensor) else operand


def _deform_conv(args: tuple[Any, ...], result: torch.Tensor) -> int:
    """As the convolution that it is; reading between positions is not counted."""
    return result.shape[0] * prod(result.shape[2:]) * prod(args[1].shape)


def _linear(x: torch.Tensor, weight: torch.Tensor, *args: Any, **options: Any) -> int:
    return x.numel() * weight.shape[0]


def _not_linear(x: torch.Tensor, weight: torch.Tensor, *args: Any, **options: Any) -> int:
    return -_linear(x, weight)


OPERATORS = {
    getattr(packet, name): _as_torch_counts(formula)
    for packet, formula in flop_registry.items()
    if isinstance(packet, torch._ops.OpOverloadPacket)
    for name in packet.overloads()
} | {torch.ops.torchvision.deform_conv2d.default: _deform_conv}
"""What torch's FlopCounterMode has a formula for, and deformable convolution."""
CONVOLUTIONS = {operator: rule for operator, rule in OPERATORS.items() if "conv" in str(operator)}
PRODUCTS = {operator: rule for operator, rule in OPERATORS.items() if operator not in CONVOLUTIONS}

macs_g = COUNTERS.register("macs_g")(Tally(1e9, functions={F.scaled_dot_product_attention: products}, operators=OPERATORS))
"""1e9 multiply-adds of convolutions (deformable ones too), linear layers, matrices over positions and the two products of
attention; no biases, norms or activations. By torch's formulas (FlopCounterMode), halved. The sum of the two below."""

layer_macs_g = COUNTERS.register("layer_macs_g")(Tally(1e9, functions={F.linear: _linear}, operators=CONVOLUTIONS))
"""1e9 multiply-adds of convolutions and linear layers: those with a weight that works on every position alike."""

mixing_macs_g = COUNTERS.register("mixing_macs_g")(
    Tally(1e9, functions={F.scaled_dot_product_attention: products, F.linear: _not_linear}, operators=PRODUCTS)
)
"""1e9 multiply-adds between tokens: all other products, of attention (softmax or not) and of matrices over positions."""
