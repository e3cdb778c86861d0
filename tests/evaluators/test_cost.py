"""The counters and the published readings."""

import runpy
import sys
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from blocks.mixer import MIXER
from blocks.norm import NORM
from evaluators.cost import COUNTERS, measure_cost, on_meta
from evaluators.cost._pass import _Operators
from evaluators.cost.explained import ABOUT
from evaluators.cost.fvcore import fvcore_itself
from evaluators.cost.ptflops import ptflops_itself
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


def test_a_library_that_fails_reads_none_and_says_so_where_its_rules_read_on():
    with torch.device("meta"):
        model, image = Untraceable().eval(), torch.empty(1, 3, 8, 8)
    with pytest.warns(UserWarning, match=r"fvcore cannot count Untraceable: RuntimeError: no kernel"):
        assert fvcore_itself(model, image) is None
    assert COUNTERS["macs_g"](model, image) == COUNTERS["macs_fvcore_g"](model, image) == 6 / 1e9


NAMED = {
    "segformer_b0": ((64, 96), 4),
    "boostformer_b0": ((64, 96), 4),
    "team_final": ((64, 96), 4),
    "convformer_s18": ((64, 64), 10),
    "metaformer_ppff_s12": ((64, 64), 10),
    "vit_tiny": ((64, 64), 10),
    "yolox_nano": ((64, 96), 4),
}


@pytest.mark.parametrize("name", NAMED)
def test_libraries_run_by_themselves_say_the_same(name):
    size, classes = NAMED[name]
    read = measure_cost(arch(name), input_size=size, classes=classes, names=["macs_fvcore_g", "macs_ptflops_g"])
    model, image = on_meta(arch(name), input_size=size, classes=classes)
    assert list(read.values()) == [fvcore_itself(model, image), ptflops_itself(model, image)]


@pytest.mark.parametrize("name", [*NAMED, "pet"])
def test_quick_shapes_are_torchs_own(name):
    size, classes = NAMED.get(name, ((256, 256), 1))
    model, image = on_meta(arch(name), input_size=size, classes=classes)
    with torch.no_grad():
        expected = tree_leaves(model(image))
        with _Operators([]):
            quick = tree_leaves(model(image))
        with FlopCounterMode(display=False) as counter:
            model(image)
    assert [(t.shape, t.stride(), t.dtype) for t in quick] == [(t.shape, t.stride(), t.dtype) for t in expected]
    assert COUNTERS["macs_g"](model, image) == counter.get_total_flops() / 2 / 1e9


@pytest.mark.parametrize("norm", [nn.LayerNorm(8), nn.GroupNorm(2, 8), nn.BatchNorm2d(8)], ids=lambda norm: type(norm).__name__)
def test_quick_norms_lay_their_results_out_as_a_processor_does(norm):
    rows = torch.randn(2, 5, 6, 8)
    turned = rows.permute(0, 3, 1, 2)
    image = turned.contiguous().permute(0, 2, 3, 1) if isinstance(norm, nn.LayerNorm) else turned
    assert not image.is_contiguous()
    with torch.no_grad(), _Operators([]):
        quick = norm.eval().to("meta")(image.to("meta"))
    assert quick.stride() == norm.to_empty(device="cpu")(image).stride()


def test_operands_that_do_not_fit_are_refused_by_torch():
    image = torch.empty(1, 8, 4, 4, device="meta")
    for broken in (nn.BatchNorm2d(7), nn.GroupNorm(2, 6), nn.LayerNorm(5), nn.Linear(5, 2)):
        with pytest.raises(RuntimeError):
            COUNTERS["macs_g"](broken.to("meta").eval(), image)


@pytest.mark.parametrize("name", ["segformer_b0", "metaformer_ppff_s12", "yolox_nano"])
def test_layers_and_mixing_are_all_multiply_adds(name):
    size, classes = NAMED[name]
    read = measure_cost(arch(name), input_size=size, classes=classes, names=["macs_g", "layer_macs_g", "mixing_macs_g"])
    assert read["macs_g"] == pytest.approx(read["layer_macs_g"] + read["mixing_macs_g"], rel=1e-12)
    assert (read["mixing_macs_g"] > 0) == (name != "yolox_nano")


def test_bytes_moved_by_hand():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.linear(x.view(10, 4))  # reads 40, writes 50; 20 weights and 5 biases
            return F.scaled_dot_product_attention(*(y.view(1, 1, 10, 5),) * 3)  # reads 150, writes 50

    model = Two()
    assert counted("weight_traffic_mb", model, 1, 1, 10, 4) == 4 * 25 / 1e6
    assert counted("activation_traffic_mb", model, 1, 1, 10, 4) == 4 * (40 + 50 + 150 + 50) / 1e6


def test_a_plain_function_is_a_counter_too(monkeypatch):
    monkeypatch.setitem(COUNTERS._entries, "layers", lambda model, image: float(len(list(model.modules()))))
    read = measure_cost(arch("segformer_b0"), names=["layers", "params_m"], **SMALL)
    assert read["layers"] > 100
    assert read["params_m"] == pytest.approx(3.7, abs=0.2)


def test_the_table_has_every_counter(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cost", "+space=segformer_b0", "--arch", "segformer_b0", "space.input_size=[64,64]"])
    runpy.run_module("evaluators.cost", run_name="__main__", alter_sys=True)
    printed = capsys.readouterr().out
    assert all(f" {name} " in printed for name in COUNTERS)
    assert set(ABOUT) == set(COUNTERS)
