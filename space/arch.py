"""One architecture: plain data with an identity. It is written, hashed and sent to workers without its network being built."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from registry import named_by, nearest
from space.networks import NETWORKS
from space.schema import Struct, struct_of


def structure(network: str) -> Struct:
    """What an architecture of `network` may contain."""
    return struct_of(NETWORKS[network].Arch)


@dataclass(frozen=True, eq=False, repr=False)
class Arch:
    """An architecture in full: `arch` holds every field and argument, defaults included (see `Arch.make`). Not to be mutated.

    Two architectures are equal when they build the same network: equality and hash are those of `id`.
    """

    network: str
    arch: Mapping[str, Any]

    @classmethod
    def make(cls, network: str, given: Any) -> "Arch":
        """Check `given` against the network's types and fill in the defaults; ValueError names the dotted place."""
        struct = structure(network)
        arch = cls(network, struct.fill(given))
        struct.construct(arch.arch)  # a dataclass may refuse values in its __post_init__
        return arch

    @cached_property
    def id(self) -> str:
        """sha1 (40 hex digits) of the canonical JSON: what is at its default is left out, so a new argument keeps old ids."""
        canonical = {"network": self.network, "arch": structure(self.network).canonical(self.arch)}
        return hashlib.sha1(json.dumps(canonical, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Arch) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Arch({self.network} {self.id[:8]})"

    def to_yaml(self) -> str:
        """The file that `from_yaml` reads back to the same id; a list of numbers stays on one line."""
        content = {"network": self.network, "arch": self.arch}
        return yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=120)

    @classmethod
    def from_yaml(cls, source: str | Path) -> "Arch":
        """Read a file (a Path, or a str of one line without ': ') or a yaml text. Errors name the file."""
        if isinstance(source, str) and ("\n" in source or ": " in source):
            return cls._parsed(source)
        try:
            return cls._parsed(Path(source).read_text())
        except OSError as error:
            raise ValueError(f"{source}: {error.strerror}; an architecture's file was looked for here, from {Path.cwd()}") from None
        except ValueError as error:
            raise ValueError(f"{error} ({source})") from None

    @classmethod
    def _parsed(cls, text: str) -> "Arch":
        try:
            content = OmegaConf.to_container(OmegaConf.create(text))  # reads 1e-5 as a number, refuses a key given twice
        except (yaml.YAMLError, OmegaConfBaseException) as error:
            raise ValueError(f"not readable as yaml: {error}") from None
        if not isinstance(content, dict):
            raise ValueError("an architecture's file holds two keys: network, arch")
        for key in [*content, "network", "arch"]:
            if key not in ("network", "arch"):
                raise ValueError(f"unknown key '{key}'; {nearest(str(key), ['arch', 'network'])}")
            if key not in content:
                raise ValueError(f"{key}: missing; an architecture's file holds two keys: network, arch")
        return cls.make(str(content["network"]), content["arch"])


class _Dumper(yaml.SafeDumper):
    """Writes every value out, also where two places share one list (yaml would write an alias)."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def build(
    arch: Arch, classes: int, *, image_size: tuple[int, int] = (224, 224), width: float = 1.0, drop_path: float = 0.0
) -> nn.Module:
    """The network of `arch` with `classes` outputs, for images of `image_size` (height, width), with stochastic depth up to
    `drop_path`; `width` scales its channels (the training proxy of EcoNAS)."""
    network = NETWORKS[arch.network]
    typed = structure(arch.network).construct(arch.arch)
    context = {"image_size": tuple(image_size), "drop_path": drop_path}
    return network(typed if width == 1.0 else network.widened(typed, width), classes, **named_by(network, context))


def build_measured(arch: Arch, classes: int, *, image_size: tuple[int, int]) -> nn.Module:
    """The network as its cost and latency are taken. One whose work depends on what it sees says by `for_measuring()` what stands
    for its use; fresh weights would leave that to chance."""
    network = build(arch, classes, image_size=image_size)
    return network.for_measuring() if hasattr(network, "for_measuring") else network
