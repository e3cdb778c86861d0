"""Reparametrisations: the same outputs from fewer operations, applied to a trained network before it ships.

A fold is a file that registers a `Fold`. Whatever it does, the network's outputs are compared before and after: one that changes
them is an error, not a smaller network.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from blocks.fusion.sum import SumFusion
from blocks.join.layer_scale import LayerScaleJoin
from blocks.join.plain import PlainJoin
from evaluators.fold._plain import PlainSum
from evaluators.formats.agreement import Disagrees, agreed, eager, probe
from evaluators.formats.onnx import NotExportable
from registry import Registry, import_siblings
from space import Arch


@dataclass(frozen=True)
class Foldable:
    """A network in evaluation mode on the CPU, which a fold may change, and how it was built."""

    network: nn.Module
    arch: Arch
    classes: int
    image_size: tuple[int, int]
    width: float = 1.0


@dataclass(frozen=True)
class Fold:
    """`apply` returns what it made and how many places it changed. `rewrites`: into another architecture of the space; those come
    before the folds that leave modules away, as a network of the new architecture is built."""

    apply: Callable[[Foldable], tuple[Foldable, int]]
    what: str
    rewrites: bool = False


FOLDS: Registry[Fold] = Registry("fold")


@dataclass(frozen=True)
class Folded:
    """What came out; `done`: how many places each fold changed, by its words. `apart`: how far the outputs moved, as a share of the
    largest."""

    result: Foldable
    done: Mapping[str, int]
    apart: float


def fold(given: Foldable, names: Sequence[str] | None = None) -> Folded:
    """Apply all folds, or those named, to a copy. ValueError names a fold that changes what the network computes."""
    image = probe(given.image_size, 2)
    expected = eager(given.network, image)
    current = replace(given, network=copy.deepcopy(given.network).eval())
    done: dict[str, int] = {}
    apart = 0.0
    for step in sorted((FOLDS[name] for name in names or FOLDS), key=lambda step: not step.rewrites):
        try:
            current, places = step.apply(current)
        except NotExportable as error:
            where = f": {error.operator}" * bool(error.operator) + f" in {error.where}" * bool(error.where)
            raise ValueError(
                f"fold: the network's graph cannot be read{where}: {error.why}; it ships as it is, without folds"
            ) from error
        if not places:
            continue
        try:
            apart = agreed(expected, eager(current.network, image))
        except Disagrees as error:
            raise ValueError(f"fold: {step.what} would change the network: {error}; nothing was written") from error
        done[step.what] = places
    return Folded(current, done, apart)


def shaped(network: nn.Module, state: Mapping[str, torch.Tensor]) -> nn.Module:
    """A freshly built network in the form that folded weights have: without the norms and scales that they lack, with the biases
    that they have. In place; what was not folded stays as it is."""
    for name, module in list(network.named_modules()):
        own = [key for key, _ in module.named_parameters(prefix=name, recurse=False)]
        if own and not any(key in state for key in own) and (replacement := left_out(module)) is not None:
            network.set_submodule(name, replacement)
        elif f"{name}.bias" in state and getattr(module, "bias", ...) is None:
            module.bias = nn.Parameter(torch.empty_like(state[f"{name}.bias"]))
    return network


def left_out(module: nn.Module) -> nn.Module | None:
    """What stands at the place of a module whose work was folded into another; None for one that does not fold."""
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return nn.Identity()
    if isinstance(module, SumFusion):
        return PlainSum()
    return PlainJoin(module.scale.numel()) if isinstance(module, LayerScaleJoin) else None


__all__ = ["FOLDS", "Fold", "Foldable", "Folded", "fold", "left_out", "shaped"]

import_siblings(__name__)
