"""Costs of SegFormer architectures: the published figures, the closed form, and the closed form against counting."""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from named import arch, space

from evaluators.cost.core import macs_g
from evaluators.cost.thop import macs_thop_g
from space import Arch, build

CONF = Path(__file__).parents[2] / "conf"
FIGURES = json.loads((Path(__file__).parent / "segformer_figures.json").read_text())
PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))


@dataclass
class Cost:
    """Parameters, core multiply-adds, and what thop counts beyond or short of them."""

    params: int = 0
    core: int = 0
    thop_extra: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.core + other.core, self.thop_extra + other.thop_extra)

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.params * times, self.core * times, self.thop_extra * times)

    @property
    def thop(self) -> int:
        return self.core + self.thop_extra


def option(given: str | Mapping[str, Any]) -> Mapping[str, Any]:
    return {"name": given} if isinstance(given, str) else given


def linear(n: int, c: int, d: int) -> Cost:
    return Cost(c * d + d, n * c * d)


def norm(n: int, d: int) -> Cost:
    """Layer norm and batch norm alike."""
    return Cost(2 * d, 0, 4 * n * d)


def embed_cost(name: str, n: int, c: int, d: int, k: int) -> Cost:
    patch = Cost(k * k * c * d + d, n * k * k * c * d) if name == "conv" else linear(n, c, d) + Cost(0, 0, n * c)
    return patch + norm(n, d)


def kv_cost(kv: Mapping[str, Any], h: int, w: int, d: int) -> tuple[Cost, int]:
    """The cost of shrinking, and the tokens that remain."""
    if kv["name"] == "conv":
        r = kv["reduction"]
        m = (h // r) * (w // r)
        return (Cost(r * r * d * d + d, m * r * r * d * d) + norm(m, d) if r > 1 else Cost()), m
    m = kv["size"] ** 2
    pooled = norm(m, d) + Cost(0, 0, int(((h / kv["size"]) * (w / kv["size"]) + 1) * (m * d)))
    return pooled + (linear(m, d, d) if kv["name"] == "pool_conv" else Cost()), m


def separable_attention_cost(mixer: Mapping[str, Any], h: int, w: int, d: int) -> Cost:
    n = h * w
    shrink, m = kv_cost(option(mixer["kv"]), h, w, d)
    output = linear(n, d, d) if mixer["output"] == "linear" else Cost()
    return shrink + linear(m, d, 1) + linear(m, d, d) + Cost(0, m * d, -m * d) + linear(n, d, d) + output


def channel_attention_cost(mixer: Mapping[str, Any], h: int, w: int, d: int) -> Cost:
    n = h * w
    bias = 4 * d if mixer["bias"] == "all" else d if mixer["bias"] == "output" else 0
    core = 2 * n * d * d // mixer["heads"]
    local = Cost(10 * d, 9 * n * d) if mixer["local"] == "depthwise" else Cost()
    return Cost(4 * d * d + bias + mixer["heads"], 4 * n * d * d + core, -core) + local


def inverted_residual_cost(mixer: Mapping[str, Any], h: int, w: int, d: int) -> Cost:
    n, hidden, k = h * w, mixer["expansion"] * d, mixer["kernel"]
    tall, wide = min(mixer["size"], h), min(mixer["size"], w)
    padded = math.ceil(h / tall) * tall * math.ceil(w / wide) * wide  # windows that hang over the edge are computed whole
    core = padded * tall * wide * (d + hidden)
    weights = 2 * d * d + 2 * d * hidden + k * k * hidden
    return Cost(weights + 2 * hidden, n * weights + core, 4 * n * hidden - core)


def deformable_cost(mixer: Mapping[str, Any], h: int, w: int, d: int) -> Cost:
    n, heads, k = h * w, mixer["heads"], mixer["kernel"] ** 2
    offset, conv = k * d * 3 * heads * k, k * d * d // heads
    return Cost(offset + 3 * heads * k + conv + d, n * (offset + conv)) + linear(n, d, d)


FURTHER = {
    "separable_attention": separable_attention_cost,
    "channel_attention": channel_attention_cost,
    "inverted_residual": inverted_residual_cost,
    "deformable": deformable_cost,
}


def mixer_cost(mixer: Mapping[str, Any], h: int, w: int, d: int) -> Cost:
    n = h * w
    if mixer["name"] == "pool":
        return Cost(0, 0, n * d)
    if mixer["name"] == "depthwise":
        return Cost((mixer["kernel"] ** 2 + 1) * d, n * mixer["kernel"] ** 2 * d)
    if mixer["name"] == "identity":
        return Cost()
    if mixer["name"] in FURTHER:
        return FURTHER[mixer["name"]](mixer, h, w, d)
    shrink, m = kv_cost(option(mixer["kv"]), h, w, d)
    core = Cost(0, 2 * n * m * d, -2 * n * m * d)
    output = linear(n, d, d) if mixer["output"] == "linear" else Cost()
    return linear(n, d, d) + shrink + linear(m, d, d) * 2 + core + output


def ffn_cost(ffn: Mapping[str, Any], n: int, d: int) -> Cost:
    if ffn["name"] == "identity":
        return Cost()
    hidden = d * ffn["ratio"]
    share = hidden // len(ffn["kernels"])
    cost = linear(n, d, hidden) + linear(n, hidden, d)
    for k in ffn["kernels"]:
        cost += Cost((k * k + 1) * share, n * k * k * share)
    norm_name = option(ffn["norm"])["name"]
    if norm_name == "identity":
        return cost
    return cost + Cost(4 * hidden, 0, 8 * n * hidden if norm_name == "batchnorm" else 0)  # thop counts no group norm


def stage_cost(stage: Mapping[str, Any], c: int, h: int, w: int, *, patch: int, layout: str) -> Cost:
    d, n, mixer, ffn = stage["dim"], h * w, option(stage["mixer"]), option(stage["ffn"])
    branches = 1 + (ffn["name"] != "identity")
    block = mixer_cost(mixer, h, w, d) + ffn_cost(ffn, n, d) + norm(n, d) * branches
    scaled = mixer["name"] not in {"attention", *FURTHER}
    block += Cost(branches * d if scaled else 0)  # layer scale
    return (
        embed_cost(option(stage["embed"])["name"], n, c, d, patch)
        + block * stage["depth"]
        + (norm(n, d) if layout == "pre" else Cost())
    )


def closed_form(given: Mapping[str, Any], size: tuple[int, int], classes: int) -> Cost:
    total, c, (h, w), width = Cost(), 3, size, given["decoder"]["width"]
    finest = 0
    for i, (k, stride) in enumerate(PATCHES):
        stage = given[f"stage{i + 1}"]
        h, w = ((side + 2 * (k // 2) - k) // stride + 1 for side in (h, w))
        total += stage_cost(stage, c, h, w, patch=k, layout=given["norm_layout"]) + linear(h * w, stage["dim"], width)
        c, finest = stage["dim"], finest or h * w
    fusion = Cost(4 * width**2, 4 * width**2 * finest) if given["decoder"]["fusion"] == "concat" else Cost(4)
    return total + fusion + norm(finest, width) + linear(finest, width, classes)


def counted(given: Arch, size: tuple[int, int], classes: int) -> tuple[int, int, int]:
    with torch.device("meta"):
        model, image = build(given, classes).eval(), torch.empty(1, 3, *size)
    with torch.no_grad():
        macs = [round(reading * 1e9) for reading in (macs_g(model, image), macs_thop_g(model, image))]
    return sum(p.numel() for p in model.parameters()), *macs


def edited(given: Arch, changes: Mapping[str, Any]) -> Arch:
    plain = json.loads(json.dumps(given.arch))
    for place, value in changes.items():
        *parents, last = place.split(".")
        inner = plain
        for key in parents:
            inner = inner[key]
        inner[last] = value
    return Arch.make(given.network, plain)


@pytest.mark.parametrize("row", FIGURES["ladder"], ids=lambda row: row["arch"])
def test_each_rung_of_the_ladder_counts_exactly(row):
    assert counted(arch(row["arch"]), (512, 512), 150) == (row["params"], row["core_macs"], row["thop_macs"])


@pytest.mark.parametrize("row", FIGURES["by_input_size"], ids=lambda row: f"{row['arch']}-{row['input']}")
def test_published_networks_at_several_sizes(row):
    cost = closed_form(arch(row["arch"]).arch, (row["input"],) * 2, 150)
    assert (cost.params, cost.core, cost.thop) == (row["params"], row["core_macs"], row["thop_macs"])


@pytest.mark.parametrize("row", FIGURES["one_change"], ids=lambda row: row["change"])
def test_one_change_costs_what_was_measured(row):
    changed = edited(arch(row["from"]), row["set"])
    cost = closed_form(changed.arch, (512, 512), 150)
    assert (cost.params, cost.core, cost.thop) == (row["params"], row["core_macs"], row["thop_macs"])
    with torch.device("meta"):
        assert sum(p.numel() for p in build(changed, 150).parameters()) == row["params"]


REDUCTIONS = [{"name": "conv", "reduction": r} for r in (8, 4, 2, 1)]


@pytest.mark.parametrize(
    ("kv", "output", "fusion", "expected"),
    [
        ("conv", "linear", "concat", (21_682_854, 57_904_988_160, 58_024_787_968)),
        (REDUCTIONS, "linear", "concat", (25_983_334, 58_069_123_072, 58_198_147_072)),
        # 4 more than the 19,331,878 that were published: there the sum's weights were in a list, where no count sees them
        ({"name": "pool_conv", "size": 7}, "identity", "sum", (19_331_882, 16_779_925_632, 16_915_745_152)),
    ],
)
def test_separable_attention_costs_what_its_branches_measured(kv, output, fusion, expected):
    mixers = {
        f"stage{i + 1}.mixer": {"name": "separable_attention", "kv": kv[i] if isinstance(kv, list) else kv, "output": output}
        for i in range(4)
    }
    assert counted(edited(arch("segformer_b2"), {**mixers, "decoder.fusion": fusion}), (512, 512), 150) == expected


def test_channel_attention_costs_what_its_branch_measured():
    """There a second linear layer follows the first, and the decoder's four maps are fused by a 3x3 convolution in 768 groups."""
    mixers = {f"stage{i}.mixer": {"name": "channel_attention", "bias": "output"} for i in range(1, 5)}
    given = edited(arch("segformer_b2"), {**mixers, "decoder.fusion": "sum"})
    sides, fuse = (128, 64, 32, 16), 9 * 4 * 768
    stages = [given.arch[f"stage{i}"] for i in range(1, 5)]
    second = sum((linear(side**2, s["dim"], s["dim"]) * s["depth"] for s, side in zip(stages, sides, strict=True)), Cost())
    params, core, thop = counted(given, (512, 512), 150)
    assert params - 4 + second.params + fuse == 22_300_310
    assert core + second.core + fuse * 128**2 == 22_613_590_016
    assert thop + second.core + fuse * 128**2 == 22_415_933_440


def random_members(count: int) -> list[Arch]:
    rng = random.Random(1)
    return [space("segformer_b0").sample(rng) for _ in range(count)]


@pytest.mark.parametrize("size", [(512, 512), (200, 333)])
def test_the_closed_form_equals_counting_for_random_members(size):
    members = random_members(16)
    seen = {option(member.arch[f"stage{i}"]["mixer"])["name"] for member in members for i in range(1, 5)}
    assert seen == {"attention", "pool", "depthwise", "identity", *FURTHER}
    for member in members:
        cost = closed_form(member.arch, size, 21)
        assert counted(member, size, 21) == (cost.params, cost.core, cost.thop), member.to_yaml()


def test_published_figures_print_as_published():
    for name, params, macs in (("segformer_b2", 27.462, 58.576), ("boostformer", 17.577, 15.826)):
        cost = closed_form(arch(name).arch, (512, 512), 150)
        assert math.isclose(round(cost.params / 1e6, 3), params)
        assert math.isclose(round(cost.thop / 1e9, 3), macs)
