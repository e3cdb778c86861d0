"""The counters, the published readings, and the cache."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import evaluators.cost as cost
from blocks.mixer import MIXER
from blocks.norm import NORM
from evaluators.cost import COUNTERS, measure_cost
from evaluators.cost.cache import CostCache
from registry import Option
from space import Arch

ARCHES = Path(__file__).parents[2] / "conf" / "arch"
SMALL = {"input_size": [64, 96], "classes": 4}


def arch(name: str) -> Arch:
    return Arch.from_yaml(ARCHES / f"{name}.yaml")


class Net(nn.Module):
    """Counted by hand below: (1, 3, 8, 8) -> conv to 4 maps of 8 x 8 -> attention over 64 positions -> linear -> upsampled."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.linear = nn.Linear(4, 5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(image))
        tokens, few = x.flatten(2).mT, self.pool(x).flatten(2).mT  # (1, 64, 4), (1, 4, 4)
        mixed = F.scaled_dot_product_attention(*(t.unsqueeze(1) for t in (tokens, few, few))).squeeze(1)
        return F.interpolate(self.linear(mixed).mT.unflatten(2, (8, 8)), scale_factor=2, mode="bilinear")


CONV, ATTENTION, LINEAR = 64 * 4 * 27, 2 * 64 * 4 * 4, 64 * 4 * 5
BY_HAND = {
    "params_m": (4 * 27 + 4 + 8 + 25) / 1e6,
    "macs_g": (CONV + ATTENTION + LINEAR) / 1e9,
    "macs_thop_g": (CONV + LINEAR + 4 * 256 + (16 + 1) * 16) / 1e9,
    "flops_yolox_g": 2 * (CONV + 256 + LINEAR + 2 * 256) / 1e9,  # the convolution's bias is in it, the linear layer's is not
    "macs_fvcore_g": (CONV + ATTENTION + LINEAR + 2 * 256 + 256 + 4 * 5 * 256) / 1e9,
    "attention_macs_g": ATTENTION / 1e9,
    "pool_adds_g": 256 / 1e9,
    "norm_elements_m": 256 / 1e6,
    "frozen_params_m": 0,
    # biases, two an element for the norm, the pool counted as a module and as a function
    "macs_ptflops_g": (CONV + 256 + ATTENTION + LINEAR + 320 + 2 * 256 + 2 * 256 + 5 * 64 * 4) / 1e9,
}


@pytest.mark.parametrize("name", BY_HAND)
def test_a_network_counted_by_hand(name):
    with torch.device("meta"):
        model, image = Net().eval(), torch.empty(1, 3, 8, 8)
    with torch.no_grad():
        assert COUNTERS[name](model, image) == pytest.approx(BY_HAND[name], rel=1e-12)


def counted(name: str, model: nn.Module, *size: int) -> float:
    with torch.no_grad():
        return COUNTERS[name](model.to("meta").eval(), torch.empty(*size, device="meta"))


@pytest.mark.parametrize(
    ("pool", "adds"),
    [
        (nn.AvgPool2d(3, stride=1, padding=1), 9 * 7 * 6 * 2),
        (nn.AvgPool2d((2, 3)), 6 * 3 * 2 * 2),
        (nn.AvgPool2d(2, ceil_mode=True), 4 * 4 * 3 * 2),
        (nn.AdaptiveAvgPool2d(5), 7 * 6 * 2),
        (nn.Conv2d(2, 2, 3), 0),
    ],
)
def test_additions_of_poolings(pool, adds):
    assert counted("pool_adds_g", pool, 1, 2, 7, 6) == pytest.approx(adds / 1e9, rel=1e-12)


@pytest.mark.parametrize("name", ["layernorm", "batchnorm", "groupnorm", "identity"])
def test_elements_of_norms(name):
    elements = 0 if name == "identity" else 8 * 5 * 4
    assert counted("norm_elements_m", NORM.build(Option(name), channels=8), 1, 8, 5, 4) == elements / 1e6


def test_matrices_over_positions_are_multiply_adds_but_not_attention():
    for name, frozen in (("spatial_fc", 0), ("random", 30**2)):
        mixer = MIXER.build(Option(name), dim=8, grid=(5, 6))
        assert counted("macs_g", mixer, 1, 8, 5, 6) == pytest.approx(30**2 * 8 / 1e9, rel=1e-12)
        assert counted("attention_macs_g", mixer, 1, 8, 5, 6) == 0
        assert counted("frozen_params_m", mixer, 1, 8, 5, 6) == frozen / 1e6
        assert counted("params_m", mixer, 1, 8, 5, 6) == 30**2 / 1e6


def test_attention_in_windows_is_linear_in_the_map():
    window = MIXER.build(Option("window", {"size": 4, "heads": 2}), dim=8)
    assert counted("attention_macs_g", window, 1, 8, 8, 12) == pytest.approx(2 * 96 * 16 * 8 / 1e9, rel=1e-12)
    assert counted("macs_g", window, 1, 8, 8, 12) == pytest.approx((4 * 96 * 64 + 2 * 96 * 16 * 8) / 1e9, rel=1e-12)


@pytest.mark.parametrize("name", ["macs_g", "macs_thop_g", "macs_fvcore_g", "macs_ptflops_g"])
def test_deformable_convolutions_count_as_convolutions(name):
    mixer = MIXER.build(Option("deformable", {"heads": 2}), dim=8)
    products = 30 * (9 * 8 * 54 + 9 * 4 * 8 + 64)  # offsets and weights, the convolution in two groups, the linear layer
    more = 30 * (54 + 8 + 8 + 25 * 9) if name == "macs_ptflops_g" else 0  # biases, and 25 for each cell of the kernel
    assert counted(name, mixer, 1, 8, 5, 6) == pytest.approx((products + more) / 1e9, rel=1e-12)


class Chain(nn.Module):
    """Three maps of 4 KB, one after the other; the second is there while the third is made."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(50))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + 1
        x = x.view(-1).view(1, 1, 10, 100)  # no memory
        return x * 2


def test_memory_is_the_peak_of_what_is_alive():
    with torch.device("meta"):
        model, image = Chain(), torch.empty(1, 1, 10, 100)
    with torch.no_grad():
        assert COUNTERS["memory_mb"](model, image) == (200 + 3 * 4000) / 1e6


def test_memory_of_fused_attention_has_no_scores():
    class Attend(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.scaled_dot_product_attention(x, x, x)

    image = torch.empty(1, 1, 1000, 2, device="meta")
    assert COUNTERS["memory_mb"](Attend(), image) == 2 * 8000 / 1e6


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "segformer_b2",
            {
                "params_m": 27.461974,
                "macs_g": 62.337843200,
                "macs_thop_g": 58.575618048,
                "macs_fvcore_g": 62.664032256,
                "macs_ptflops_g": 62.596481024,
                "attention_macs_g": 3.892314112,
                "pool_adds_g": 0,
                "frozen_params_m": 0,
            },
        ),
        (
            "boostformer",
            {
                "params_m": 17.576602,
                "macs_g": 15.686090752,
                "macs_thop_g": 15.826398080,
                "macs_fvcore_g": 16.092146560,
                "frozen_params_m": 0,
                "macs_ptflops_g": pytest.approx(16.101653376, rel=0.0014),  # its authors' GELUs count twice
            },
        ),
    ],
)
def test_published_networks_at_the_published_size(name, expected):
    measured = measure_cost(arch(name), input_size=[512, 512], classes=150)
    assert measured.keys() == set(COUNTERS)
    assert all(reading is not None for reading in measured.values())
    assert {key: value for key, value in measured.items() if key in expected} == expected


class Untraceable(nn.Module):
    """A network that a library stumbles over, but a plain run does not."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 2)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        if image.device.type == "cpu":
            raise RuntimeError("no kernel for this device")
        return self.linear(image.flatten(2).mean(2))


def test_a_library_that_fails_reads_none_and_says_so():
    with torch.device("meta"):
        model, image = Untraceable().eval(), torch.empty(1, 3, 8, 8)
    with pytest.warns(UserWarning, match=r"fvcore cannot count Untraceable: RuntimeError: no kernel"):
        assert COUNTERS["macs_fvcore_g"](model, image) is None
    assert COUNTERS["macs_g"](model, image) == 6 / 1e9


@pytest.fixture
def measured(monkeypatch):
    """The ids that were really measured, by a stand-in that is quick."""
    ids = []

    def stand_in(arch: Arch, *, input_size: list[int], classes: int) -> dict[str, float | None]:
        ids.append(arch.id)
        return {"macs_g": input_size[0] * classes / 7, "macs_fvcore_g": None}

    monkeypatch.setattr(cost, "measure_cost", stand_in)
    return ids


def test_a_cost_is_computed_once_and_found_by_other_caches(tmp_path, measured):
    path, small = tmp_path / "deep" / "costs.jsonl", arch("segformer_b0")
    first = CostCache(path).measure(small, **SMALL)
    assert CostCache(path).measure(small, **SMALL) == first == {"macs_g": 64 * 4 / 7, "macs_fvcore_g": None}
    assert measured == [small.id]


def test_input_size_classes_and_arch_are_told_apart(tmp_path, measured):
    cache, small = CostCache(tmp_path / "costs.jsonl"), arch("segformer_b0")
    cache.measure(small, **SMALL)
    cache.measure(small, input_size=[96, 64], classes=4)
    cache.measure(small, input_size=[64, 96], classes=5)
    cache.measure(arch("boostformer_b0"), **SMALL)
    assert len(measured) == 4


def test_a_torn_line_costs_one_measurement(tmp_path, measured):
    path = tmp_path / "costs.jsonl"
    CostCache(path).measure(arch("segformer_b0"), **SMALL)
    CostCache(path).measure(arch("boostformer_b0"), **SMALL)
    path.write_bytes(path.read_bytes()[:-9])
    cache = CostCache(path)
    for name in ("boostformer_b0", "segformer_b0", "segformer_b2"):
        cache.measure(arch(name), **SMALL)
    assert len(measured) == 4
    again = CostCache(path)
    for name in ("boostformer_b0", "segformer_b0", "segformer_b2"):
        again.measure(arch(name), **SMALL)
    assert len(measured) == 4


def test_caches_see_each_other_while_they_run(tmp_path, measured):
    path, names = tmp_path / "costs.jsonl", [f"segformer_b{i}" for i in range(6)]
    early = CostCache(path)
    early.measure(arch(names[0]), **SMALL)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: CostCache(path).measure(arch(name), **SMALL), names))
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 6
    early.measure(arch(names[5]), **SMALL)
    assert len(measured) == 6


def test_the_fingerprint_follows_the_code(tmp_path, monkeypatch):
    (tmp_path / "extra_block.py").write_text("SIZE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    prints = [CostCache(tmp_path / "c", plugins=plugins).fingerprint for plugins in ([], ["extra_block"])]
    (tmp_path / "extra_block.py").write_text("SIZE = 5\n")
    prints.append(CostCache(tmp_path / "c", plugins=["extra_block"]).fingerprint)
    assert len(set(prints)) == 3
    assert prints[0] == CostCache(tmp_path / "d").fingerprint
