"""Renaming: tables from the names of a source to ours, and the renamed tensors as an architecture is inferred from them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch


class Names:
    """A table of modules, theirs -> ours. {S} and {B} stand for a stage and a block counted from 0; ours count stages from 1.
    A tensor's own name (`weight`) follows the module's and stays."""

    def __init__(self, table: Mapping[str, str]):
        self.rules = [(re.compile(_pattern(theirs)), ours) for theirs, ours in table.items()]

    def ours(self, name: str) -> str | None:
        """The name that a tensor has with us; None where the table has no place for it."""
        for pattern, ours in self.rules:
            if match := pattern.fullmatch(name):
                return ours.format(S=int(match.groupdict().get("S") or 0) + 1, B=match.groupdict().get("B")) + match["rest"]
        return None


def _pattern(theirs: str) -> str:
    pattern = re.escape(theirs).replace(r"\{S\}", r"(?P<S>\d+)").replace(r"\{B\}", r"(?P<B>\d+)")
    return pattern + r"(?P<rest>(\.\w+)?)"


@dataclass(frozen=True)
class Entries:
    """The tensors of a checkpoint under our names."""

    source: str
    tensors: dict[str, torch.Tensor]

    @classmethod
    def renamed(cls, source: str, names: Names, state: Mapping[str, torch.Tensor]) -> "Entries":
        """ValueError names an entry that the table does not know, or that would be the second of its name."""
        tensors: dict[str, torch.Tensor] = {}
        for name, tensor in state.items():
            ours = names.ours(name)
            if ours is None:
                raise ValueError(f"{source}: '{name}' is not an entry that such a checkpoint has")
            if ours in tensors:
                raise ValueError(f"{source}: '{name}' is the second entry for our '{ours}'; no network of ours has both")
            tensors[ours] = tensor
        return cls(source, tensors)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def shape(self, name: str) -> tuple[int, ...]:
        """ValueError where the entry is missing or no weight."""
        if name not in self.tensors or not self.tensors[name].dim():
            raise ValueError(f"{self.source}: '{name}' (our name) is {'no weight' if name in self.tensors else 'missing'}")
        return tuple(self.tensors[name].shape)

    def kernel(self, name: str) -> int:
        """The side of a convolution's square kernel; ValueError where it is none."""
        shape = self.shape(name)
        if len(shape) != 4 or shape[2] != shape[3]:
            raise ValueError(f"{self.source}: '{name}' (our name) is {shape}, not a convolution with a square kernel")
        return shape[2]

    def depth(self, place: str) -> int:
        """The number of blocks under `place`."""
        found = [int(match[1]) for name in self.tensors if (match := re.match(re.escape(place) + r"\.(\d+)\.", name))]
        if not found:
            raise ValueError(f"{self.source}: '{place}.0' (our name) is missing")
        return max(found) + 1

    def split_attention(self) -> None:
        """One product for queries, keys and values there; here the queries have their own."""
        for name in [name for name in self.tensors if ".qkv." in name]:
            joint = self.tensors.pop(name)
            rows = joint.shape[0] // 3 if joint.dim() else 0
            if not rows or joint.shape[0] != 3 * rows:
                shape = tuple(joint.shape)
                raise ValueError(f"{self.source}: '{name}' (our name) is {shape}, not queries, keys and values of one width")
            self.tensors[name.replace(".qkv.", ".query.")] = joint[:rows]
            self.tensors[name.replace(".qkv.", ".key_value.")] = joint[rows:]
