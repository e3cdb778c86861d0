"""Multiply-adds as the library fvcore counts them."""

import copy
import warnings
from collections.abc import Sequence
from math import prod
from typing import Any

import torch
from torch import nn

from evaluators.cost import COUNTERS


@COUNTERS.register("macs_fvcore_g")
def macs_fvcore_g(model: nn.Module, image: torch.Tensor) -> float | None:
    """1e9 'flops' (multiply-adds) of fvcore: convolutions, linear layers and attention, and beside them 5 an element of layer
    norm, 2 of batch norm, 4 of bilinear upsampling, 1 of adaptive pooling's input.

    fvcore has no rule for fused attention and none for deformable convolution; it is given one each: the two products, and the
    convolution alone. It traces a real forward pass, on the CPU and with zeros for weights, because torch's tracer cannot follow
    meta tensors. A network that it cannot trace reads None.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own: deprecation, and shapes that it reads as constants
        try:
            return _count(model, image) / 1e9
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
    warnings.warn(f"macs_fvcore_g: fvcore cannot count {type(model).__name__}: {reason}", stacklevel=2)
    return None


def _count(model: nn.Module, image: torch.Tensor) -> float:
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
