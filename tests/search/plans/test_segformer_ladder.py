"""From SegFormer-B2 to BoostFormer as its reference tells it: every step's cost to the digit."""

import json
from pathlib import Path

import pytest
import torch

from config import compose, find_arch, load_space
from evaluators.cost.core import macs_g
from evaluators.cost.thop import macs_thop_g
from search.plans import Named, Request, made
from space import build

FIGURES = json.loads((Path(__file__).parents[2] / "space" / "segformer_figures.json").read_text())["ladder"]
ORDER = (
    "decoder.fusion",
    "stage*.mixer.attention.kv=pool",  # in all four stages, two of which pool in the end
    "stage*.mixer.attention.output=identity",
    "stage*.mixer",
    "stage*.ffn.mix.kernels",
    "stage*.ffn.mix.norm",
    "norm_layout",
    "stage*.embed",
)


@pytest.fixture(scope="module")
def ends():
    with compose(["+space=segformer"]) as conf:
        space = load_space(conf, "segformer", [])
    return {"space": space, **{key: Named(key, find_arch(key)) for key in ("segformer_b2", "boostformer")}}


def request(ends, **options):
    return Request(ends["space"], ends["segformer_b2"], ends["boostformer"], **options)


def costs(arch):
    with torch.device("meta"):
        model, image = build(arch, 150).eval(), torch.empty(1, 3, 512, 512)
    with torch.no_grad():
        macs = [round(count(model, image) * 1e9) for count in (macs_g, macs_thop_g)]
    return sum(p.numel() for p in model.parameters()), *macs


def test_the_references_ladder(ends):
    plan = made("ladder", request(ends, order=ORDER))
    assert [arm.arch.id for arm in plan.arms] == [find_arch(row["arch"]).id for row in FIGURES[1:]]
    for arm, row in zip(plan.arms, FIGURES[1:], strict=True):
        assert costs(arm.arch) == (row["params"], row["core_macs"], row["thop_macs"]), arm.name


def test_leave_one_out_has_the_eight_changes_and_the_ladders_ends(ends):
    plan = made("leave_one_out", request(ends))
    arms = {arm.name: arm.arch for arm in plan.arms}
    assert len(arms) == 8
    assert arms["stage1-4.embed: pool -> conv"] == find_arch("ladder_7_v2_layout")
    added = {arm.name: arm.arch for arm in made("add_one_in", request(ends)).arms}
    assert added["decoder.fusion: concat -> sum"] == find_arch("ladder_1_sum_decoder")


def test_place_by_place_there_are_twenty(ends):
    """The reference counts 20 decisions between the two."""
    assert len(made("leave_one_out", request(ends, alike=False)).arms) == 20
