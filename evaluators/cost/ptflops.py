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
from torch.overrides import TorchFunctionMode

from evaluators.cost import COUNTERS
from evaluators.cost._pass import Tally, products


def _by_hook(hook: Any) -> Any:
    """A module's cost by ptflops' own hook for it, which adds to an attribute of the module."""

    def rule(module: nn.Module, args: tuple[Any, ...], output: torch.Tensor) -> int:
        module.__flops__ = 0
        hook(module, args, output)
        return vars(module).pop("__flops__")

    return rule


MATRICES = (torch.matmul, torch.Tensor.matmul, torch.mm, torch.Tensor.mm, torch.bmm, torch.Tensor.bmm)
FUNCTIONS = {
    **{function: rule for function, rule in FUNCTIONAL_MAPPING.items() if function is not F.linear},  # counted as a module
    **{function: TENSOR_OPS_MAPPING[function] for function in MATRICES},
    F.scaled_dot_product_attention: products,
}
MODULES = {kind: _by_hook(hook) for kind, hook in MODULES_MAPPING.items()}

macs_ptflops_g = COUNTERS.register("macs_ptflops_g")(Tally(1e9, functions=FUNCTIONS, modules=MODULES))
"""1e9 multiply-adds of ptflops, its `pytorch` backend: convolutions and linear layers with their biases, norms 2 an element,
poolings 1 an input element, GELU, ReLU and upsampling 1 an output element, 25 for each place a deformable kernel reads.

Its own rules, applied to the pass that all counters share; the tests hold them to what `ptflops_itself` reads. Three things it is
helped with. A subclass of a layer that it knows counts as that layer (it looks types up exactly). Functional calls are seen by a
mode of ours: its patches of torch also catch the Python code of the meta device's kernels. Fused attention counts as the two
products, its softmax as nothing. SegFormer-B2 then reads as it does written by its authors; where a paper's code calls nn.GELU,
ptflops counts each GELU twice, once as a module and once as a function, and BoostFormer reads 0.14 % more."""


def ptflops_itself(model: nn.Module, image: torch.Tensor) -> float | None:
    """The library's own reading, in 1e9, with the same three helps; None, and a warning, of a network that it cannot run."""
    said = io.StringIO()
    with torch.no_grad(), contextlib.redirect_stdout(said), _Functional() as functional:
        macs, _ = get_model_complexity_info(
            model,
            tuple(image.shape[1:]),
            as_strings=False,
            print_per_layer_stat=False,
            verbose=False,
            backend="pytorch",
            custom_modules_hooks=_subclass_rules(model),
            backend_specific_config={"count_functional": False},
        )
    if macs is None:
        warnings.warn(f"ptflops cannot count {type(model).__name__}: {said.getvalue()}", stacklevel=2)
        return None
    return (macs + functional.total) / 1e9


def _subclass_rules(model: nn.Module) -> dict[type, Any]:
    kinds = {type(module) for module in model.modules()} - set(MODULES_MAPPING)
    known = {kind: next((base for base in kind.__mro__ if base in MODULES_MAPPING), None) for kind in kinds}
    return {kind: MODULES_MAPPING[base] for kind, base in known.items() if base}


class _Functional(TorchFunctionMode):
    """Adds up FUNCTIONS over what is called inside it."""

    total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if rule := FUNCTIONS.get(func):
            self.total += int(rule(*args, **(kwargs or {})))
        return func(*args, **(kwargs or {}))
