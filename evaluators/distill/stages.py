"""The maps inside a network that another can be taught by: what comes out of its stages."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def stages(network: nn.Module) -> dict[str, nn.Module]:
    """The parts of a network with a number in their names (stage1 ... stage4, dark2 ... dark5, project4) and, of a list of layers,
    the last. What they give may yet be no map."""
    found = {}
    for name, part in network.named_children():
        if isinstance(part, nn.ModuleList) and len(part):
            found[f"{name}[-1]"] = part[-1]
        elif name[-1].isdigit():
            found[name] = part
    return found


@contextlib.contextmanager
def watched(network: nn.Module, names: Any) -> Iterator[Mapping[str, Tensor]]:
    """What the stages of these names give in the forward passes inside, the last one's. Nothing is left on the network: a hook
    would be copied along with it."""
    maps: dict[str, Tensor] = {}
    parts = stages(network)

    def noting(name: str) -> Any:
        return lambda module, given, output: maps.__setitem__(name, output)

    hooks = [parts[name].register_forward_hook(noting(name)) for name in names]
    try:
        yield maps
    finally:
        for hook in hooks:
            hook.remove()


def shared(network: nn.Module, teacher: nn.Module, inputs: Mapping[nn.Module, Tensor]) -> dict[str, tuple[int, int]]:
    """The stages that both have, giving maps (B, C, h, w) of the same proportions: (own channels, the teacher's) by their names.

    `inputs` is a batch as each of the two reads it. Both are left in evaluation mode.
    """
    given = []
    for each in (network, teacher):
        with torch.no_grad(), watched(each, stages(each)) as maps:
            each.eval()(inputs[each])
        given.append({name: tuple(value.shape) for name, value in maps.items() if isinstance(value, Tensor) and value.ndim == 4})
    own, taught = given
    return {
        name: (shape[1], taught[name][1])
        for name, shape in own.items()
        if name in taught and shape[2] * taught[name][3] == shape[3] * taught[name][2]
    }
