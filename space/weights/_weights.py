"""A checkpoint in our terms, and the registry of where checkpoints come from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import nn

from registry import Registry
from space.arch import Arch, build


@dataclass(frozen=True, eq=False)
class Weights:
    """A checkpoint: `state` under our names, and the network that it is of.

    `source` is the name of the file here that converted it. `missing` lists modules that the file does not hold, as the decoder of
    a classifier's encoder, or the classifier of a backbone; `classes` is 1 where the last layer is one of them.
    """

    source: str
    arch: Arch
    classes: int
    image_size: tuple[int, int]
    state: Mapping[str, torch.Tensor]
    width: float = 1.0
    missing: tuple[str, ...] = ()

    def network(self) -> nn.Module:
        """The checkpoint's own network, in evaluation mode, built once; modules in `missing` are as a new network has them.

        Every other tensor has to be there under its name and in its shape, and nothing else: ValueError names the first that
        is not. The global random numbers are left as they were.
        """
        return self._network

    @cached_property
    def _network(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            network = build(self.arch, self.classes, image_size=self.image_size, width=self.width)
        self._check(network.state_dict())
        network.load_state_dict(self.state, strict=False)
        return network.eval()

    def _check(self, wanted: Mapping[str, torch.Tensor]) -> None:
        for name, tensor in wanted.items():
            given = self.state.get(name)
            if given is None and not (self.lacks(name) or name.endswith("num_batches_tracked")):
                raise ValueError(f"{self.source}: '{name}' (our name) is missing")
            if given is not None and given.shape != tensor.shape:
                shapes = f"{tuple(given.shape)}, but the network that the other entries describe has {tuple(tensor.shape)}"
                raise ValueError(f"{self.source}: '{name}' (our name) is {shapes}")
        if foreign := [name for name in self.state if name not in wanted]:
            raise ValueError(
                f"{self.source}: '{foreign[0]}' (our name) has no place in the network that the other entries describe"
            )

    def lacks(self, name: str) -> bool:
        """Whether a module or tensor belongs to what the file does not hold."""
        return any(name == part or name.startswith(f"{part}.") for part in self.missing)


@dataclass(frozen=True)
class Source:
    """Where checkpoints come from. `recognises` looks at a file's content (names to tensors, after wrappers such as `state_dict`
    were taken off); `convert` makes Weights of it, ValueError where it is not what its names promise."""

    recognises: Callable[[Mapping[str, Any]], bool]
    convert: Callable[[Mapping[str, Any]], Weights]


SOURCES: Registry[Source] = Registry("source of weights")
