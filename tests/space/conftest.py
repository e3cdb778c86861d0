"""A toy network with every kind of field, and spaces over it."""

import copy
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from torch import nn

from registry import Option, Slot
from space import NETWORKS, Arch, Space, SpaceConf

sys.path.insert(0, str(Path(__file__).parent))  # named.py


KV = Slot("toy kv")
Kv = Annotated[Option, KV]
MIXER = Slot("toy mixer")
Mixer = Annotated[Option, MIXER]
CONV, ATTENTION, IDENTITY = Option("conv", {"reduction": 2}), Option("attention"), Option("identity")


@KV.register("conv")
def conv(*, reduction: int = 1) -> int:
    return reduction


@KV.register("pool")
def pool_kv(*, size: int = 7) -> int:
    return size


@MIXER.register("attention")
class Attention(nn.Module):
    def __init__(self, dim: int, *, heads: int = 1, kv: Kv = CONV):
        super().__init__()
        if dim % heads:
            raise ValueError(f"{heads} heads do not divide {dim} channels")
        self.linear = nn.Conv2d(dim, dim * KV.build(kv), 1)

    def forward(self, x):
        return x + self.linear(x).mean(1, keepdim=True)


@MIXER.register("pool")
class Pool(nn.Module):
    def __init__(self, dim: int, *, size: int = 3):
        super().__init__()
        self.pool = nn.AvgPool2d(size, stride=1, padding=size // 2)

    def forward(self, x):
        return self.pool(x)


@MIXER.register("identity")
class Identity(nn.Module):
    def __init__(self, dim: int):
        super().__init__()

    def forward(self, x):
        return x


@dataclass(frozen=True)
class StageArch:
    dim: int
    scale: float = 1.0
    mixer: Mixer = ATTENTION


@dataclass(frozen=True)
class LayerArch:
    window: tuple[int, ...]
    mixer: Mixer = IDENTITY


@dataclass(frozen=True)
class EncoderArch:
    layer: tuple[LayerArch, ...]


@dataclass(frozen=True)
class ToyArch:
    stage1: StageArch
    stage2: StageArch
    encoder: EncoderArch = EncoderArch((LayerArch((4, 4)),))
    head: Literal["linear", "mlp"] = "linear"

    def __post_init__(self):
        if self.stage1.dim < 1:
            raise ValueError(f"stage1.dim: given {self.stage1.dim}; allowed: 1 or more")


class ToyNetwork(nn.Sequential):
    Arch = ToyArch

    def __init__(self, arch: ToyArch, classes: int):
        one, two = arch.stage1, arch.stage2
        first, second = nn.Conv2d(3, one.dim, 1), nn.Conv2d(one.dim, two.dim, 1)
        layers = [MIXER.build(layer.mixer, dim=two.dim) for layer in arch.encoder.layer]
        head = nn.Conv2d(two.dim, classes, 1)
        super().__init__(first, MIXER.build(one.mixer, dim=one.dim), second, MIXER.build(two.mixer, dim=two.dim), *layers, head)

    @staticmethod
    def widened(arch: ToyArch, factor: float) -> ToyArch:
        wider = [StageArch(round(stage.dim * factor), stage.scale, stage.mixer) for stage in (arch.stage1, arch.stage2)]
        return ToyArch(*wider, arch.encoder, arch.head)


BASE = {"stage1": {"dim": 4}, "stage2": {"dim": 8, "mixer": "pool"}, "encoder": {"layer1": {"window": [4, 4]}}}

TEMPLATE = {
    "stage1": {
        "dim": {"choice": [4, 6, 8]},
        "mixer": {
            "choice": ["attention", "pool", "identity"],
            "attention": {
                "heads": {"choice": [1, 2]},
                "kv": {"choice": ["conv", "pool"], "conv": {"reduction": {"int": [1, 4]}}, "pool": {"size": {"choice": [5, 7]}}},
            },
            "pool": {"size": {"choice": [3, 5]}},
        },
    },
    "stage2": {
        "dim": 8,
        "scale": {"choice": [1, 2.5]},
        "mixer": {"choice": ["attention", "pool"], "pool": {"size": {"choice": [3, 7]}}},
    },
    "encoder": {"layer": {"repeat": {"int": [1, 3]}, "of": {"window": {"choice": [[4, 4], [8, 4], [8, 8]]}}}},
}


@pytest.fixture(autouse=True)
def toy_network() -> Iterator[None]:
    NETWORKS.register("toy")(ToyNetwork)
    yield
    del NETWORKS._entries["toy"]


@pytest.fixture
def base() -> Arch:
    return Arch.make("toy", BASE)


@pytest.fixture
def template() -> dict[str, Any]:
    return copy.deepcopy(TEMPLATE)


@pytest.fixture
def load(base: Arch) -> Callable[..., Space]:
    """A toy space with this template; further fields of the conf and of `Space.load` by keyword."""

    def loaded(arch: dict[str, Any], *, found: dict[str, Arch] | None = None, narrowed: bool = False, **conf: Any) -> Space:
        written = SpaceConf(network="toy", baseline="base", input_size=[8, 8], arch=arch, **conf)
        named = {"base": base, **(found or {})}
        return Space.load(written, "tiny", named.__getitem__, source="conf/space/tiny.yaml", narrowed=narrowed)

    return loaded


@pytest.fixture
def rng() -> random.Random:
    return random.Random(0)
