"""Multiply-adds as the library fvcore counts them."""

import copy
import warnings
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, products
from evaluators.cost.core import OPERATORS

aten = torch.ops.aten


def _norm(x: torch.Tensor, weight: torch.Tensor | None) -> int:
    return x.numel() * (5 if weight is not None else 4)


def _layer_norm(x: torch.Tensor, shape: Any, weight: torch.Tensor | None = None, *args: Any, **options: Any) -> int:
    return _norm(x, weight)


def _group_norm(x: torch.Tensor, groups: int, weight: torch.Tensor | None = None, *args: Any, **options: Any) -> int:
    return _norm(x, weight)


def _batch_norm(x: torch.Tensor, mean: Any, variance: Any, weight: torch.Tensor | None = None, *args: Any, **options: Any) -> int:
    return x.numel() * (2 if weight is not None else 1)


def _instance_norm(x: torch.Tensor, mean: Any = None, variance: Any = None, weight: Any = None, *args: Any, **options: Any) -> int:
    return _norm(x, weight)


def _read(x: torch.Tensor, *args: Any, **options: Any) -> int:
    return x.numel()


def _written(factor: int) -> Any:
    return lambda args, result: factor * result.numel()


FUNCTIONS = {
    F.scaled_dot_product_attention: products,
    F.layer_norm: _layer_norm,
    F.group_norm: _group_norm,
    F.batch_norm: _batch_norm,
    F.instance_norm: _instance_norm,
    F.adaptive_avg_pool2d: _read,
}
WRITTEN = {
    aten.upsample_nearest2d.default: _written(1),
    aten.upsample_bilinear2d.default: _written(4),
    aten.grid_sampler_2d.default: _written(4),
}

macs_fvcore_g = COUNTERS.register("macs_fvcore_g")(Tally(1e9, functions=FUNCTIONS, operators=OPERATORS | WRITTEN))
"""1e9 'flops' (multiply-adds) of fvcore: convolutions, linear layers and attention, and beside them 5 an element of layer and group
norm, 2 of batch norm, 4 of bilinear upsampling, 1 of adaptive pooling's input.

fvcore itself traces a real forward pass with real weights on the CPU, which takes seconds. These are its rules applied to the
pass that all counters share; the tests hold them to what `fvcore_itself` reads. fvcore has no rule for fused attention and none
for deformable convolution: it is given one each, the two products, and the convolution alone."""


def fvcore_itself(model: nn.Module, image: torch.Tensor) -> float | None:
    """The library's own reading, in 1e9, with zeros for weights; None, and a warning, of a network that it cannot trace."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own: deprecation, and shapes that it reads as constants
        try:
            with torch.no_grad():
                return _traced(model, image) / 1e9
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
    warnings.warn(f"fvcore cannot count {type(model).__name__}: {reason}", stacklevel=2)
    return None


def _traced(model: nn.Module, image: torch.Tensor) -> float:
    from fvcore.nn import FlopCountAnalysis  # here, where warnings are off: importing it compiles with a deprecated function

    model = copy.deepcopy(model).to_empty(device="cpu")
    for tensor in model.state_dict().values():
        tensor.zero_()
    analysis = FlopCountAnalysis(model, torch.zeros(image.shape))
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    analysis.set_op_handle("aten::scaled_dot_product_attention", _attention, "torchvision::deform_conv2d", _deform_conv)
    return analysis.total()


def _attention(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    query, key, value = (tensor.type().sizes() for tensor in inputs[:3])  # (B, heads, N or M, head dim)
    scores = prod(query[:-1]) * key[-2]
    return scores * query[-1] + scores * value[-1]


def _deform_conv(inputs: Sequence[Any], outputs: Sequence[Any]) -> int:
    batch, _, height, width = outputs[0].type().sizes()
    return batch * height * width * prod(inputs[1].type().sizes())
