"""Multiply-adds as the library ptflops counts them."""

import contextlib
import io
import warnings
from math import prod
from typing import Any

import torch
from ptflops import get_model_complexity_info
from ptflops.pytorch_ops import FUNCTIONAL_MAPPING, MODULES_MAPPING, TENSOR_OPS_MAPPING
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from evaluators.cost import COUNTERS


@COUNTERS.register("macs_ptflops_g")
def macs_ptflops_g(model: nn.Module, image: torch.Tensor) -> float | None:
    """1e9 multiply-adds of ptflops, its `pytorch` backend: convolutions and linear layers with their biases, norms 2 an element,
    poolings 1 an input element, GELU, ReLU and upsampling 1 an output element.

    Three things it is helped with. A subclass of a layer that it knows counts as that layer (it looks types up exactly). Functional
    calls are counted by its own rules but seen by a mode of ours: its patches of torch also catch the Python code of the meta
    device's kernels. Fused attention counts as the two products, its softmax as nothing. SegFormer-B2 then reads as it does written
    by its authors; where a paper's code calls nn.GELU, ptflops counts each GELU twice, once as a module and once as a function, and
    BoostFormer reads 0.14 % more.
    A network that it cannot run reads None.
    """
    size = tuple(image.shape[1:])
    said = io.StringIO()
    with contextlib.redirect_stdout(said), _Functional() as functional:
        macs, _ = get_model_complexity_info(
            model,
            size,
            as_strings=False,
            print_per_layer_stat=False,
            verbose=False,
            backend="pytorch",
            custom_modules_hooks=_subclass_rules(model),
            backend_specific_config={"count_functional": False},
        )
    if macs is None:
        warnings.warn(f"macs_ptflops_g: ptflops cannot count {type(model).__name__}: {said.getvalue()}", stacklevel=2)
        return None
    return (macs + functional.macs) / 1e9


def _subclass_rules(model: nn.Module) -> dict[type, Any]:
    kinds = {type(module) for module in model.modules()} - set(MODULES_MAPPING)
    known = {kind: next((base for base in kind.__mro__ if base in MODULES_MAPPING), None) for kind in kinds}
    return {kind: MODULES_MAPPING[base] for kind, base in known.items() if base}


class _Functional(TorchFunctionMode):
    """Adds up what ptflops' rules say of the functions that a network calls itself."""

    def __init__(self):
        super().__init__()
        self.macs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if rule := RULES.get(func):
            self.macs += int(rule(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> int:
    scores = prod(query.shape[:-1]) * key.shape[-2]
    return scores * query.shape[-1] + scores * value.shape[-1]


PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.mm, torch.Tensor.mm, torch.bmm, torch.Tensor.bmm)
RULES = {
    **{function: rule for function, rule in FUNCTIONAL_MAPPING.items() if function is not F.linear},  # counted as a module
    **{function: TENSOR_OPS_MAPPING[function] for function in PRODUCTS},
    F.scaled_dot_product_attention: _attention,
}
