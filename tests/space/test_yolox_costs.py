"""Costs of YOLOX architectures: the published figures, the closed form, and the closed form against counting."""

import json
import random
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from named import arch, yolox_space
from ptflops import get_model_complexity_info
from torch import nn

from evaluators.cost import COUNTERS, measure_cost
from space import Arch, build

FIGURES = json.loads((Path(__file__).parent / "yolox_figures.json").read_text())
NANO = arch("yolox_nano")
PRESETS = {
    "team_dw": "dw_bottleneck_k7_headsep5",
    "team_mix": "mix_backbone_bottleneck",
    "team_fpn": "fpn_dark2_two_adds",
    "team_final": "final_uniform",
}
UNITS = {"m": 1e6, "g": 1e9}
COUNTS = ("params_m", "macs_g", "norm_elements_m", "flops_yolox_g")
WHERE = {
    **{f"dark{i}.down": rf"dark{i}\.down\." for i in range(2, 6)},
    **{f"dark{i}.bottleneck": rf"dark{i}\.csp\.bottlenecks\.\d\.conv\." for i in range(2, 6)},
    "neck.bottleneck": r"neck\.(top|bottom)\d\.bottlenecks\.\d\.conv\.",
    "neck.bottom_up": r"neck\.down\d\.",
    "head.conv": r"head\.levels\.\d\.(class|box)_tower\.",
}


@dataclass
class Cost:
    """Parameters, multiply-adds of convolutions, and elements of norms."""

    params: int = 0
    macs: int = 0
    norms: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs, self.norms + other.norms)

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.macs * times, self.norms * times)

    @property
    def row(self) -> list[int]:
        return list(astuple(self))


def dense(i: int, o: int, kernel: int, n: int, groups: int = 1) -> Cost:
    """A convolution from i to o channels that leaves n positions, and its norm."""
    weights = kernel**2 * i * o // groups
    return Cost(weights + 2 * o, n * weights, n * o)


def depthwise(i: int, o: int, kernels: list[int], n: int) -> Cost:
    share = -(-i // len(kernels))
    shares = [share] * (len(kernels) - 1) + [i - share * (len(kernels) - 1)]
    weights = sum(o // i * c * kernel**2 for c, kernel in zip(shares, kernels, strict=True))
    return Cost(weights + 2 * o, n * weights, n * o)


def conv_cost(given: Mapping[str, Any], i: int, o: int, n: int) -> Cost:
    match given["name"]:
        case "dense":
            return dense(i, o, given["kernel"], n, given["groups"])
        case "depthwise":
            return depthwise(i, o, given["kernels"], n)
        case "separable":
            return depthwise(i, i, given["kernels"], n) + dense(i, o, 1, n)
        case "ghost":
            return dense(i, o // 2, 1, n) + depthwise(o // 2, o // 2, [given["kernel"]], n)
    raise AssertionError(given)


def csp_cost(part: Mapping[str, Any], i: int, o: int, n: int) -> Cost:
    h = o // 2
    bottleneck = dense(h, h, 1, n) + conv_cost(part["bottleneck"], h, h, n)
    return dense(i, h, 1, n) * 2 + bottleneck * part["depth"] + dense(o, o, 1, n)


def backbone_cost(given: Mapping[str, Any], c: int, side: int) -> Cost:
    total = dense(12, c, 3, (side // 2) ** 2)
    for stage in range(2, 6):
        part, i, o, n = given[f"dark{stage}"], c << (stage - 2), c << (stage - 1), (side >> stage) ** 2
        total += conv_cost(part["down"], i, o, n) + csp_cost(part, o, o, n)
    n = (side // 32) ** 2
    return total + dense(16 * c, 8 * c, 1, n) + dense(32 * c, 16 * c, 1, n)


def neck_cost(part: Mapping[str, Any], c: int, side: int) -> Cost:
    n3, n4, n5 = ((side // stride) ** 2 for stride in (8, 16, 32))
    total = dense(16 * c, 8 * c, 1, n5) + dense(8 * c, 4 * c, 1, n4)
    total += csp_cost(part, 16 * c, 8 * c, n4) + csp_cost(part, 8 * c, 4 * c, n3)
    total += csp_cost(part, 8 * c, 8 * c, n4) + csp_cost(part, 16 * c, 16 * c, n5)
    total += conv_cost(part["bottom_up"], 4 * c, 4 * c, n4) + conv_cost(part["bottom_up"], 8 * c, 8 * c, n5)
    if part["dark2"] == "added":
        separable = {"name": "separable", "kernels": [3]}
        total += conv_cost(separable, 2 * c, 4 * c, n4) + conv_cost(separable, 2 * c, 8 * c, n5)
    return total


def head_cost(conv: Mapping[str, Any], c: int, side: int, classes: int) -> Cost:
    total, d = Cost(), 4 * c
    for factor, stride in ((4, 8), (8, 16), (16, 32)):
        n = (side // stride) ** 2
        total += dense(factor * c, d, 1, n) + conv_cost(conv, d, d, n) * 4
        total += Cost((5 + classes) * (d + 1), n * (5 + classes) * d)
    return total


def closed_form(given: Arch, side: int = 416, classes: int = 20) -> Cost:
    c = int(64 * given.arch["width"])
    parts = backbone_cost(given.arch, c, side) + neck_cost(given.arch["neck"], c, side)
    return parts + head_cost(given.arch["head"]["conv"], c, side, classes)


def bias_adds(side: int, classes: int) -> int:
    return sum((side // stride) ** 2 for stride in (8, 16, 32)) * (5 + classes)


def counted(given: Arch, classes: int = 20, names: Sequence[str] = COUNTS, device: str = "cpu") -> list[int]:
    """Readings at 416x416, in units: of a small image, times the areas' ratio."""
    with torch.device(device):
        model, image = build(given, classes).eval(), torch.zeros(1, 3, 32, 32)
    with torch.no_grad():
        found = [COUNTERS[name](model, image) for name in names]
    return [round(x * 1e6 if name == "params_m" else x * UNITS[name[-1]] * 13**2) for name, x in zip(names, found, strict=True)]


def rows_by_place(model: nn.Module) -> dict[str, list[int]]:
    """What the convolutions of each place cost at 416x416."""
    costs = dict.fromkeys(WHERE, Cost())

    def listen(place: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            params, amount = sum(p.numel() for p in module.parameters()), output.numel() * 13**2
            conv = isinstance(module, nn.Conv2d)
            costs[place] += Cost(params, amount * module.weight[0].numel(), 0) if conv else Cost(params, 0, amount)

        return hook

    for name, module in model.named_modules():
        for place, pattern in WHERE.items():
            if re.match(pattern, name) and isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.register_forward_hook(listen(place))
    with torch.no_grad():
        model.eval()(torch.zeros(1, 3, 32, 32))
    return {place: cost.row for place, cost in costs.items()}


def edited(changes: Mapping[str, Any]) -> Arch:
    """YOLOX-Nano with these places changed."""
    plain = json.loads(json.dumps(NANO.arch))
    for place, value in changes.items():
        part, _, field = place.rpartition(".")
        plain[part][field] = value
    return Arch.make("yolox", plain)


def option(operator: str) -> dict[str, Any]:
    """An operator of the table: its word, then its kernels, a digit each."""
    word, digits = re.fullmatch(r"([a-z]+)(\d+)", operator).groups()
    kernels = [int(digit) for digit in digits]
    if word in ("ghost", "full"):
        return {"name": {"ghost": "ghost", "full": "dense"}[word], "kernel": kernels[0]}
    return {"name": "separable" if word.endswith("sep") else "depthwise", "kernels": kernels}


@pytest.mark.parametrize("name", FIGURES["presets"])
def test_measured_variants_count_exactly(name):
    figures = FIGURES["presets"][name]
    given, expected = edited(figures["set"]), [figures["params"], figures["conv_macs"], figures["norm_elements"]]
    assert closed_form(given, classes=figures["classes"]).row == expected
    flops = 2 * (figures["conv_macs"] + figures["bias_adds"] + 2 * figures["norm_elements"])
    assert counted(given, figures["classes"]) == [*expected, flops]


def test_the_named_variants_are_the_measured_ones():
    for name, preset in PRESETS.items():
        assert arch(name) == edited(FIGURES["presets"][preset]["set"]), name


@pytest.mark.parametrize("operator", FIGURES["additive"]["dark2.bottleneck"])
def test_each_place_costs_what_the_additive_table_says(operator):
    """A network that has the operator everywhere, place by place."""
    found = rows_by_place(build(edited(dict.fromkeys(WHERE, option(operator))), 20))
    table = {place: rows[operator] for place, rows in FIGURES["additive"].items() if operator in rows}
    assert {place: found[place] for place in table} == table


def test_one_changed_place_changes_the_total_by_the_tables_difference():
    """Every operator at every place in the closed form, some of them counted too."""
    base, changes = closed_form(NANO).row, []
    for place, rows in FIGURES["additive"].items():
        for operator, row in rows.items():
            changed = edited({place: option(operator)})
            expected = [total + new - old for total, new, old in zip(base, row, rows["sep3"], strict=True)]
            assert closed_form(changed).row == expected, (place, operator)
            changes.append((changed, expected))
    assert len(changes) == 2 * 14 + 4 * 11 + 5 * 14
    for changed, expected in random.Random(0).sample(changes, 8):
        assert counted(changed)[:3] == expected, changed.to_yaml()


def test_the_additive_table_makes_the_whole_network():
    parts = [FIGURES["fixed"], *(rows["sep3"] for rows in FIGURES["additive"].values())]
    assert [sum(column) for column in zip(*parts, strict=True)] == closed_form(NANO).row


def test_random_members_count_as_the_closed_form():
    rng, space = random.Random(0), yolox_space()
    for _ in range(12):
        member = space.sample(rng)
        form = closed_form(member)
        assert counted(member) == [*form.row, 2 * (form.macs + bias_adds(416, 20) + 2 * form.norms)], member.to_yaml()


@pytest.mark.parametrize("name", [name for name in FIGURES["published"] if name != "_about"])
def test_published_sizes(name):
    """As far as the published table prints them, where some figures are rounded and one is cut off."""
    side, params_m, flops_g = FIGURES["published"][name]
    form = closed_form(arch(name), side, 80)
    digit = 0.01 if side == 416 else 0.1
    assert form.params / 1e6 == pytest.approx(params_m, abs=0.51 * digit)
    assert 2 * (form.macs + bias_adds(side, 80) + 2 * form.norms) / 1e9 == pytest.approx(flops_g, abs=0.51 * digit)
    form = closed_form(arch(name), 416, 80)
    assert counted(arch(name), 80, ["params_m", "macs_g"], "meta") == form.row[:2]


@pytest.mark.parametrize("classes", [20, 80])
def test_the_readings_of_every_tool(classes):
    figures = FIGURES["columns"][str(classes)]
    names = ["macs_g", "flops_yolox_g", "macs_thop_g", "macs_fvcore_g", "macs_ptflops_g"]
    cost = measure_cost(NANO, input_size=(416, 416), classes=classes, names=names)
    assert cost["flops_yolox_g"] == pytest.approx(figures["gflops_thop0031"], rel=1e-12)
    assert 2 * cost["macs_thop_g"] == pytest.approx(figures["gflops_thop011"], rel=1e-12)
    assert 2 * cost["macs_g"] == pytest.approx(figures["gflops_2xmac"], rel=1e-12)
    assert cost["macs_fvcore_g"] == pytest.approx(figures["fvcore_macs_g"], rel=1e-12)
    assert cost["macs_ptflops_g"] == pytest.approx(figures["ptflops_pytorch_macs_g"], rel=1e-12)


def test_the_reading_of_ptflops_by_operations():
    model = build(NANO, 20).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        macs, _ = get_model_complexity_info(
            model, (3, 64, 64), as_strings=False, print_per_layer_stat=False, verbose=False, backend="aten"
        )
    assert macs * (416 / 64) ** 2 / 1e9 == pytest.approx(FIGURES["columns"]["20"]["ptflops_aten_macs_g"], abs=5e-5)


def test_a_class_costs_the_same_each():
    one, two = counted(NANO, 20), counted(NANO, 21)
    assert [after - before for before, after in zip(one, two, strict=True)] == [195, 64 * 3549, 0, 2 * 65 * 3549]


@pytest.mark.parametrize("side", [64, 96, 160, 224, 320, 640])
def test_costs_scale_with_the_area(side):
    whole, part = closed_form(NANO), closed_form(NANO, side)
    assert part.params == whole.params
    assert (part.macs * 416**2, part.norms * 416**2) == (whole.macs * side**2, whole.norms * side**2)
    read = measure_cost(NANO, input_size=(side, side), classes=20, names=["macs_g"])["macs_g"]
    assert round(read * 1e9) == part.macs


def test_parts_of_the_baseline():
    with torch.device("meta"):
        model = build(NANO, 20)
    parts = {name: sum(p.numel() for p in child.parameters()) for name, child in model.named_children()}
    backbone = {"stem": 1_760, "dark2": 3_680, "dark3": 18_560, "dark4": 69_888, "dark5": 366_080}
    assert parts == {**backbone, "neck": 347_424, "head": 93_067}
