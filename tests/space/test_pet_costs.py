"""Costs of PET architectures: the measured variants, and the closed form against counting."""

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from named import arch, pet_space

from evaluators.cost import COUNTERS, measure_cost
from space import Arch, build
from space.networks.pet import Pet
from space.schema import items_of, name_of

FIGURES = json.loads((Path(__file__).parent / "pet_figures.json").read_text())
VARIANTS = FIGURES["variants"]
ROUTES = ("sparse", "dense", "both")
NAMED = {
    "pet": "pet_base",
    "team_enc2": "enc2_32x16_8x4",
    "team_pet_final": "final_enc2_noffn",
    "pet_quarter_windows": "pool_aapp_wq",
    "pet_depthwise": "dw_d_8x4",
    "pet_depthwise_attention": "dw_da_w2b",
    "pet_pool": "pool_pp_w2b",
}
MIXERS = {
    "attention": {"name": "attention", "heads": 8},
    "pool": {"name": "pool", "minus": "nothing"},
    "depthwise": {"name": "depthwise", "kernel": 3},
}
MLP = {"name": "mlp", "ratio": 2}


def said(variant: Mapping[str, Any]) -> Arch:
    """A measured variant in the language of architectures."""
    ffn = MLP if variant["ffn"] else "identity"
    layers = {
        f"layer{i}": {"window": window, "mixer": MIXERS[mixer], "ffn": ffn}
        for i, (window, mixer) in enumerate(zip(variant["windows"], variant["mixers"], strict=True), 1)
    }
    backbone = {"name": variant["backbone"]} | ({"norm": variant["backbone_norm"]} if "backbone_norm" in variant else {})
    encoder = {**layers, "norm": variant["norm"], "sharing": variant["sharing"]}
    return Arch.make("pet", {"backbone": backbone, "encoder": encoder, "decoder": {"ffn": ffn}})


def on_meta(given: Arch, size: int = 256) -> Pet:
    with torch.device("meta"):
        return build(given, 1, image_size=(size, size)).eval()


def macs(model: Pet, route: str, size: int = 256) -> int:
    model.route = route
    with torch.no_grad():
        return round(COUNTERS["macs_g"](model, torch.empty(1, 3, size, size, device="meta")) * 1e9)


def parts_of(model: Pet) -> dict[str, int]:
    body = model.backbone.body
    modules = {
        "total": [model],
        "body": [body],
        "pyramid": [layer for name, layer in model.backbone.named_children() if name != "body"],
        "projections": [model.project4, model.project8],
        "encoder": [model.encoder],
        "splitter": [model.splitter],
        "decoder": [model.decoder],
        "heads": [model.sparse_head, model.dense_head],
    }
    return {name: sum(p.numel() for layer in found for p in layer.parameters()) for name, found in modules.items()}


@pytest.mark.parametrize("name", VARIANTS)
def test_measured_variants_count_exactly(name):
    figures = VARIANTS[name]
    model, dead = on_meta(said(figures)), figures["dead"]
    expected = dict(figures["params"])
    for part, count in dead.items():
        expected[part] -= count
        expected["total"] -= count
    assert parts_of(model) == expected
    assert [macs(model, route) for route in ROUTES] == figures["macs"]


@pytest.mark.parametrize("name", NAMED)
def test_the_named_architectures_are_the_measured_ones(name):
    assert arch(name) == said(VARIANTS[NAMED[name]])


def test_the_corners():
    """As published, without the modules that are never called, and without what nothing reads."""
    final = json.loads(json.dumps(arch("team_pet_final").arch))
    assert parts_of(on_meta(arch("pet")))["total"] == 20_909_385
    assert parts_of(on_meta(Arch.make("pet", final)))["total"] == 18_801_481
    final["coarse"] = "dropped"
    assert parts_of(on_meta(Arch.make("pet", final)))["total"] == 18_211_401


@pytest.mark.parametrize("name", FIGURES["macs_512"])
def test_four_times_the_area_is_four_times_the_work(name):
    model = on_meta(said(VARIANTS[name]), 512)
    found = [macs(model, route, 512) for route in ROUTES]
    assert found == FIGURES["macs_512"][name] == [4 * count for count in VARIANTS[name]["macs"]]


def test_training_costs_what_both_levels_cost():
    model = on_meta(arch("team_pet_final"))
    both = macs(model, "both")
    assert macs(model.train(), "learned") == both


def test_half_of_the_patches_is_what_is_measured():
    sparse, dense, _ = VARIANTS["pet_base"]["macs"]
    cost = measure_cost(arch("pet"), input_size=(256, 256), classes=1, names=["macs_g", "params_m"])
    assert round(cost["macs_g"] * 1e9) == (sparse + dense) / 2
    assert cost["params_m"] == 20.909385


@pytest.mark.parametrize("counter", [name for name in COUNTERS if name != "memory_mb"])
def test_every_counter_reads_the_network(counter):
    cost = measure_cost(arch("team_pet_final"), input_size=(128, 128), classes=1, names=[counter])
    assert cost[counter] is not None
    assert cost[counter] > 0 or counter == "frozen_params_m"


def encoder_form(given: Mapping[str, Any], d: int, n: int) -> int:
    total = 0
    for _, layer in items_of(given, "layer"):
        (w, h), mixer = layer["window"], name_of(layer["mixer"])
        side = int(n**0.5)
        tokens = min(w, side) * min(h, side)
        total += n * {"attention": 4 * d * d + 2 * tokens * d, "depthwise": 9 * d, "pool": 0, "identity": 0}[mixer]
        total += 0 if layer["ffn"] == "identity" else n * 2 * d * layer["ffn"]["ratio"] * d
    return total


def decoder_form(given: Mapping[str, Any], d: int, n: int, window: int, memory: int) -> int:
    f = 0 if given["ffn"] == "identity" else given["ffn"]["ratio"] * d
    own, other = 4 * d * d + 2 * window * d, 2 * d * d + 2 * memory * d
    layer = n * (own + other + 2 * d * f) + 2 * d * d * n * memory // window
    heads = n * (2 * d + 2 * d * d + 2 * d)
    return given["layers"] * layer + (given["layers"] if given["readout"] == "every" else 1) * heads


def closed_form(given: Arch, body: int, channels: tuple[int, ...], strides: tuple[int, ...]) -> list[int]:
    """At 256x256, with the backbone's own work given."""
    d, plain = given.arch["dim"], given.arch
    levels = list(zip(channels[1:], strides[1:], strict=True))
    pyramid = sum((c * d + 9 * d * d) * (256 // stride) ** 2 for c, stride in levels)
    pyramid -= 9 * d * d * (256 // levels[-1][1]) ** 2 if plain["coarse"] == "dropped" else 0
    shared = body + pyramid + d * d * (32**2 + 64**2) + encoder_form(plain["encoder"], d, 1024) + d * 8
    sparse, dense = decoder_form(plain["decoder"], d, 1024, 128, 128), decoder_form(plain["decoder"], d, 4096, 32, 8)
    return [shared + sparse, shared + dense, shared + sparse + dense]


def body_macs(model: Pet) -> tuple[int, tuple[int, ...]]:
    """Of the backbone alone, and the strides of its maps."""
    image = torch.empty(1, 3, 256, 256, device="meta")
    strides = tuple(256 // x.shape[2] for x in model.backbone.body.maps(image))
    everything = torch.nn.Module()
    everything.forward = lambda given: list(model.backbone.body.maps(given))
    return round(COUNTERS["macs_g"](everything, image) * 1e9), strides


def test_the_closed_form_has_the_measured_parts():
    model, parts = on_meta(arch("pet")), FIGURES["parts"]
    body, strides = body_macs(model)
    assert body == parts["vgg16"]
    assert encoder_form(arch("pet").arch["encoder"], 256, 1024) == parts["enc"]
    assert closed_form(arch("pet"), body, model.backbone.body.channels, strides) == VARIANTS["pet_base"]["macs"]


def test_random_members_count_as_the_closed_form():
    rng, space = random.Random(0), pet_space()
    for _ in range(5):
        member = space.sample(rng)
        model = on_meta(member)
        body, strides = body_macs(model)
        sparse, _, both = closed_form(member, body, model.backbone.body.channels, strides)
        assert [macs(model, route) for route in ("sparse", "both")] == [sparse, both], member.to_yaml()


@pytest.mark.parametrize(("sharing", "saved"), [("AABB", 2), ("ABAB", 2), ("ABBA", 2)])
def test_sharing_changes_parameters_alone(sharing, saved):
    plain = json.loads(json.dumps(arch("pet").arch))
    plain["encoder"]["sharing"] = sharing
    plain["decoder"]["sharing"] = "AA"
    model = on_meta(Arch.make("pet", plain))
    assert parts_of(model)["encoder"] == 2_108_416 - saved * 527_104
    assert parts_of(model)["decoder"] == 1_582_080 - 790_784
    assert macs(model, "both") == VARIANTS["pet_base"]["macs"][2]
