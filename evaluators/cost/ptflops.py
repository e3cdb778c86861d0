"""Multiply-adds as the library ptflops counts them."""

import contextlib
import io
import warnings
from typing import Any

import torch
from ptflops import get_model_complexity_info
from ptflops.pytorch_ops import FUNCTIONAL_MAPPING, MODULES_MAPPING, TENSOR_OPS_MAPPING
from torch import nn
from torch.nn import functional as F

from evaluators.cost import COUNTERS
from evaluators.cost._functions import Functions, products


@COUNTERS.register("macs_ptflops_g")
def macs_ptflops_g(model: nn.Module, image: torch.Tensor) -> float | None:
    """1e9 multiply-adds of ptflops, its `pytorch` backend: convolutions and linear layers with their biases, norms 2 an element,
    poolings 1 an input element, GELU, ReLU and upsampling 1 an output element, 25 for each place a deformable kernel reads.

    Three things it is helped with. A subclass of a layer that it knows counts as that layer (it looks types up exactly). Functional
    calls are counted by its own rules but seen by a mode of ours: its patches of torch also catch the Python code of the meta
    device's kernels. Fused attention counts as the two products, its softmax as nothing. SegFormer-B2 then reads as it does written
    by its authors; where a paper's code calls nn.GELU, ptflops counts each GELU twice, once as a module and once as a function, and
    BoostFormer reads 0.14 % more.
    A network that it cannot run reads None.
    """
    size = tuple(image.shape[1:])
    said = io.StringIO()
    with contextlib.redirect_stdout(said), Functions(RULES) as functional:
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
    return (macs + functional.total) / 1e9


def _subclass_rules(model: nn.Module) -> dict[type, Any]:
    kinds = {type(module) for module in model.modules()} - set(MODULES_MAPPING)
    known = {kind: next((base for base in kind.__mro__ if base in MODULES_MAPPING), None) for kind in kinds}
    return {kind: MODULES_MAPPING[base] for kind, base in known.items() if base}


PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.mm, torch.Tensor.mm, torch.bmm, torch.Tensor.bmm)
RULES = {
    **{function: rule for function, rule in FUNCTIONAL_MAPPING.items() if function is not F.linear},  # counted as a module
    **{function: TENSOR_OPS_MAPPING[function] for function in PRODUCTS},
    F.scaled_dot_product_attention: products,
}
