"""Costs of the MetaFormer family and of ViT: the published figures, the closed form, and the closed form against counting."""

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from math import isqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from named import arch, space

from evaluators.cost import measure_cost
from evaluators.cost.core import macs_g
from space import Arch, build
from space.schema import items_of, name_of

CONF = Path(__file__).parents[2] / "conf"
FIGURES = json.loads((Path(__file__).parent / "metaformer_figures.json").read_text())
SPACES = ("metaformer", "metaformer_v2", "vit")


@dataclass
class Cost:
    """Parameters, those of them that are never trained, and multiply-adds."""

    params: int = 0
    macs: int = 0
    frozen: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs, self.frozen + other.frozen)

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.macs * times, self.frozen * times)

    @property
    def row(self) -> list[int]:
        """As the figures have it: all parameters, trainable ones, multiply-adds."""
        return [self.params, self.params - self.frozen, self.macs]


@dataclass
class Place:
    """Where a layer stands: n positions of a map (beside them t tokens) with d channels; s learned numbers an activation has."""

    n: int
    d: int
    s: int
    t: int = 0


def norm(given: Any, d: int) -> Cost:
    if name_of(given) == "identity":
        return Cost()
    return Cost(d if isinstance(given, dict) and given.get("affine") == "scale" else 2 * d)


def attention(given: Mapping[str, Any], n: int, d: int, keys: int) -> Cost:
    bias = {"all": 4 * d, "output": d, "none": 0}[given["bias"]]
    return Cost(4 * d * d + bias, 4 * n * d * d + 2 * n * keys * d)


def mixer_cost(given: Any, at: Place) -> Cost:
    n, d = at.n, at.d
    match name_of(given):
        case "identity" | "pool":
            return Cost()
        case "depthwise":
            k2 = given["kernel"] ** 2
            return Cost((k2 + (given["bias"] == "all")) * d, k2 * n * d)
        case "separable_conv":
            k2, wide = given["kernel"] ** 2, given["expansion"] * d
            return Cost((2 * d + k2) * wide + at.s, (2 * d + k2) * n * wide)
        case "attention":
            return attention(given, n + at.t, d, n + at.t)
        case "window":
            return attention(given, n, d, min(given["size"], isqrt(n)) ** 2)
        case "spatial_fc":
            return Cost(n * n, n * n * d)
        case "random":
            return Cost(n * n, n * n * d, n * n)
    raise AssertionError(given)


def ffn_cost(given: Any, at: Place) -> Cost:
    r, d = given["ratio"], at.d
    bias = (r + 1) * d if given["bias"] == "all" else 0
    return Cost(2 * r * d * d + bias + at.s, 2 * r * (at.n + at.t) * d * d)


def block_cost(block: Mapping[str, Any], network: Mapping[str, Any], join: Any, at: Place) -> Cost:
    branch = norm(network["norm"], at.d) + Cost(0 if name_of(join) == "plain" else at.d)
    cost = mixer_cost(block["mixer"], at) + branch
    return cost + (ffn_cost(block["ffn"], at) + branch if name_of(block["ffn"]) != "identity" else Cost())


def head_cost(given: Mapping[str, Any], d: int, classes: int) -> Cost:
    linear = Cost((d + 1) * classes, d * classes)
    if given["head"] != "mlp":
        return linear + (norm(given["norm"], d) if given["head"] == "norm_pool" else Cost(2 * d))
    return Cost(2 * d + (d + 1) * 4 * d + 8 * d + (4 * d + 1) * classes, 4 * d * d + 4 * d * classes)


def metaformer_cost(given: Mapping[str, Any], side: int, classes: int) -> Cost:
    total, channels, patch = Cost(), 3, given["stem"]
    for i in range(1, 5):
        stage = given[f"stage{i}"]
        k, stride, padding = patch
        side, d = (side + 2 * padding - k) // stride + 1, stage["dim"]
        at = Place(side**2, d, 2 if given["activation"] == "star_relu" else 0)
        embed = stage["embed"]
        total += Cost((k * k * channels + 1) * d, at.n * k * k * channels * d)
        total += norm(embed["norm"], channels if embed["order"] == "norm_conv" else d)
        total += Cost(at.n * d if stage["position"] == "learned" else 0)
        total += block_cost(stage, given, stage["join"], at) * stage["depth"]
        channels, patch = d, (3, 2, 1)
    return total + head_cost(given, channels, classes)


def vit_cost(given: Mapping[str, Any], side: int, classes: int) -> Cost:
    d, p, tokens = given["dim"], given["patch"], {"class": 1, "distilled": 2, "mean": 0}[given["readout"]]
    at = Place((side // p) ** 2, d, 2 if given["activation"] == "star_relu" else 0, tokens)
    total = Cost((3 * p * p + 1) * d + tokens * d, at.n * 3 * p * p * d)
    total += Cost((at.n + tokens) * d if given["position"] == "learned" else 0)
    for _, layer in items_of(given, "layer"):
        total += block_cost(layer, given, given["join"], at)
    return total + norm(given["norm"], d) + Cost((d + 1) * classes, d * classes) * max(tokens, 1)


def closed_form(given: Arch, side: int, classes: int) -> Cost:
    return {"metaformer": metaformer_cost, "vit": vit_cost}[given.network](given.arch, side, classes)


def built(given: Arch, side: int, classes: int) -> torch.nn.Module:
    with torch.device("meta"):
        return build(given, classes, image_size=(side, side)).eval()


def counted(given: Arch, side: int, classes: int) -> list[int]:
    model = built(given, side, classes)
    with torch.no_grad():
        macs = round(macs_g(model, torch.empty(1, 3, side, side, device="meta")) * 1e9)
    sizes = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return [sum(n for n, _ in sizes), sum(n for n, trained in sizes if trained), macs]


def edited(given: Arch, changes: Mapping[str, Any]) -> Arch:
    plain = json.loads(json.dumps(given.arch))
    for place, value in changes.items():
        stage, _, field = place.rpartition(".")
        (plain[stage] if stage else plain)[field] = value
    return Arch.make(given.network, plain)


@pytest.mark.parametrize("name", FIGURES["models"])
def test_published_networks_count_exactly(name):
    assert closed_form(arch(name), 224, 1000).row == FIGURES["models"][name]
    assert counted(arch(name), 224, 1000) == FIGURES["models"][name]


def test_every_named_architecture_has_its_figure():
    written = {path.stem for path in (CONF / "arch").glob("*.yaml") if arch(path.stem).network in ("metaformer", "vit")}
    assert written == set(FIGURES["models"])


@pytest.mark.parametrize("row", FIGURES["ablations"], ids=lambda row: row["change"])
def test_ablations_of_s12_count_exactly(row):
    """All rows of the published table but one: a network without residual connections is no member of the family."""
    changed = edited(arch("poolformer_s12"), row["set"])
    assert counted(changed, 224, 1000) == closed_form(changed, 224, 1000).row == row["cost"]


@pytest.mark.parametrize("row", FIGURES["vectors"], ids=lambda row: row["change"])
def test_mixed_configurations_count_exactly(row):
    changed = edited(arch("poolformer_s12"), row["set"])
    assert counted(changed, row["input"], row["classes"]) == closed_form(changed, row["input"], row["classes"]).row == row["cost"]
    assert grids(changed, row["input"]) == row["grid"]


@pytest.mark.parametrize("row", FIGURES["sizes"], ids=lambda row: str(row["input"]))
def test_input_sizes(row):
    assert counted(arch("poolformer_s12"), row["input"], 1000) == [11_915_176, 11_915_176, row["macs"]]
    assert grids(arch("poolformer_s12"), row["input"]) == row["grid"]


def grids(given: Arch, side: int) -> list[int]:
    with torch.no_grad():
        return [x.shape[3] for x in built(given, side, 10).features(torch.empty(1, 3, side, side, device="meta"))]


@pytest.mark.parametrize(("classes", "params"), [(10, 11_407_306), (100, 11_453_476)])
def test_numbers_of_classes(classes, params):
    assert counted(arch("poolformer_s12"), 64, classes)[0] == params


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parts_of_poolformer_s12():
    model = built(arch("poolformer_s12"), 224, 1000)
    stages = [model.stage1, model.stage2, model.stage3, model.stage4]
    assert [count(stage.embed) for stage in stages] == [9_472, 73_856, 368_960, 1_475_072]
    assert [count(stage.blocks) for stage in stages] == [66_944, 264_960, 4_936_320, 4_205_568]
    assert count(model.head) == 514_024


def sampled(name: str) -> Iterator[Arch]:
    rng = random.Random(0)
    return (space(name).sample(rng) for _ in range(12))


@pytest.mark.parametrize("name", SPACES)
def test_the_closed_form_equals_counting_for_random_members(name):
    for member in sampled(name):
        assert counted(member, 224, 10) == closed_form(member, 224, 10).row, member.to_yaml()


@pytest.mark.parametrize("name", SPACES)
def test_the_closed_form_equals_counting_one_step_from_named_members(name):
    named = [space(name).baseline, *space(name).known]
    changes = list(chain.from_iterable(space(name).changes(member) for member in named))
    rng = random.Random(0)
    for change in rng.sample(changes, 12):
        assert counted(change.arch, 224, 10) == closed_form(change.arch, 224, 10).row, change


def fvcore(given: Arch) -> int:
    return round(measure_cost(given, input_size=(224, 224), classes=1000, names=["macs_fvcore_g"])["macs_fvcore_g"] * 1e9)


@pytest.mark.parametrize("name", FIGURES["fvcore"])
def test_readings_of_fvcore(name):
    """PoolFormer as its authors wrote it, the others as timm did, with attention that is not fused. fvcore charges timm's pooling
    before the head 1 an element of the last map; ours is a mean, which it does not charge."""
    pooling = 49 * 512 if arch(name).arch.get("head") in ("pool_norm", "mlp") else 0
    assert fvcore(arch(name)) + pooling == FIGURES["fvcore"][name]


def test_norms_written_by_hand_read_lower():
    """fvcore charges 5 an element for each norm that it sees: the library's, as all of ours are. The authors of the baselines wrote
    theirs by hand, but for the head's: their IdentityFormer reads lower by all other norms."""
    given = arch("identityformer_s12")
    stages = [given.arch[f"stage{i}"] for i in range(1, 5)]
    maps = [side**2 * stage["dim"] for side, stage in zip((56, 28, 14, 7), stages, strict=True)]
    in_blocks = sum(2 * stage["depth"] * values for stage, values in zip(stages, maps, strict=True))
    assert fvcore(given) - 5 * (in_blocks + maps[0] + sum(maps[:3])) == 1_812_269_568
