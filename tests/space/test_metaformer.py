"""The MetaFormer network: branches that begin near the identity, stochastic depth, stages of any width and depth, odd images."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from named import arch
from torch import nn

from blocks.residual_block import ResidualBlock
from registry import Option
from space import Arch, build
from space.arch import structure
from space.networks.metaformer import MetaFormer

CONF = Path(__file__).parents[2] / "conf"
STAGES = ("stage1", "stage2", "stage3", "stage4")
IDENTITY = Option("identity")


def with_stages(given: Arch, fields: dict[str, Any]) -> Arch:
    """The architecture with these fields in every stage."""
    plain = json.loads(json.dumps(given.arch))
    return Arch.make(given.network, {**plain, **{stage: {**plain[stage], **fields} for stage in STAGES}})


def blocks_of(model: nn.Module) -> list[ResidualBlock]:
    return [block for stage in STAGES for block in getattr(model, stage).blocks]


def bare_block(drop_path: float) -> ResidualBlock:
    """A block whose one branch is its input."""
    return ResidualBlock(
        4,
        IDENTITY,
        IDENTITY,
        norm=IDENTITY,
        activation=Option("gelu"),
        join=Option("plain"),
        grid=(3, 3),
        drop_path=drop_path,
    )


def test_with_layer_scale_a_fresh_stage_is_nearly_the_identity():
    torch.manual_seed(0)
    stage = build(arch("poolformer_s12"), 10).eval().stage1
    with torch.no_grad():
        x = stage.embed(torch.randn(1, 3, 64, 64).contiguous(memory_format=torch.channels_last))
        change = (stage.blocks(x) - x).norm() / x.norm()
    assert 1e-5 < change < 1e-4


def test_initial_values():
    model = build(arch("caformer_s18"), 10, width=0.25)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.1)
            assert module.bias is None or not module.bias.any()
    assert all(block.mixer_norm.eps == 1e-6 and block.mixer_norm.bias is None for block in blocks_of(model))
    assert model.stage3.blocks[0].mixer_join.scale.eq(1).all()
    assert not list(model.stage2.blocks[0].mixer_join.parameters())
    assert [model.stage1.embed.norm_first, model.stage2.embed.norm_first] == [False, True]


def test_rates_of_stochastic_depth_rise_over_all_blocks():
    with torch.device("meta"):
        model = build(arch("poolformer_s12"), 10, drop_path=0.1)
        long = build(arch("poolformer_m48"), 10, drop_path=0.4)
    assert [block.drop_path.drop_prob for block in blocks_of(model)] == pytest.approx([i / 110 for i in range(12)], abs=1e-7)
    assert [block.drop_path.drop_prob for block in blocks_of(long)][:2] == pytest.approx([0, 0.4 / 47], abs=1e-7)


def test_in_eval_the_rate_does_not_matter():
    torch.manual_seed(0)
    one, other = (build(arch("poolformer_s12"), 5, width=0.125, drop_path=rate).eval() for rate in (0.0, 0.9))
    other.load_state_dict(one.state_dict())
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(one(image), other(image))


def test_a_sample_keeps_or_drops_a_whole_branch():
    torch.manual_seed(0)
    x = torch.randn(2000, 4, 3, 3)
    branch = (bare_block(0.25).train()(x) - x) / x
    first = branch[:, 0, 0, 0]
    torch.testing.assert_close(branch, first.view(-1, 1, 1, 1).expand_as(branch), atol=1e-3, rtol=1e-3)
    kept = first > 0.5
    torch.testing.assert_close(first, torch.where(kept, 1 / 0.75, 0.0), atol=1e-3, rtol=1e-3)
    assert kept.float().mean().item() == pytest.approx(0.75, abs=0.03)


def test_the_two_branches_of_a_block_are_dropped_independently():
    torch.manual_seed(0)
    block = ResidualBlock(
        4,
        IDENTITY,
        Option("mlp"),
        norm=IDENTITY,
        activation=Option("gelu"),
        join=Option("plain"),
        grid=(3, 3),
        drop_path=0.5,
    ).train()
    nn.init.zeros_(block.ffn.reduce.weight)
    nn.init.ones_(block.ffn.reduce.bias)  # the FFN branch is 1, the mixer's the input
    out = block(torch.full((400, 4, 1, 1), 10.0))[:, 0, 0, 0]
    assert {round(value) for value in out.tolist()} == {10, 12, 30, 32}


def test_one_block_a_stage_and_equal_widths():
    """Stages halve the map whatever their widths, and a rate is found for a single block."""
    small = with_stages(arch("poolformer_s12"), {"dim": 32, "depth": 1})
    model = build(small, 7, image_size=(64, 64), drop_path=0.1).eval()
    with torch.no_grad():
        maps = list(model.features(torch.randn(1, 3, 64, 64)))
    assert [tuple(x.shape[1:]) for x in maps] == [(32, 16, 16), (32, 8, 8), (32, 4, 4), (32, 2, 2)]
    assert [block.drop_path.drop_prob for block in blocks_of(model)] == pytest.approx([0, 0.1 / 3, 0.2 / 3, 0.1])


@pytest.mark.parametrize(("stem", "grids"), [([3, 2, 1], [16, 8, 4, 2]), ([3, 1, 1], [32, 16, 8, 4]), ([4, 4, 0], [8, 4, 2, 1])])
def test_stems_for_small_images(stem, grids):
    given = Arch.make("metaformer", {**arch("poolformer_s12").arch, "stem": stem})
    with torch.device("meta"):
        maps = build(given, 100, image_size=(32, 32)).features(torch.empty(1, 3, 32, 32))
        assert [x.shape[2] for x in maps] == grids


@pytest.mark.parametrize("stem", [[7, 4], [0, 4, 2], [7, 0, 2], [7, 4, -1]])
def test_a_stem_that_is_none(stem):
    with pytest.raises(ValueError, match=r"stem: given .*; allowed: \[kernel, stride, padding\]"):
        Arch.make("metaformer", {**arch("poolformer_s12").arch, "stem": stem})


def test_an_image_without_a_last_map_is_refused():
    with pytest.raises(ValueError, match=r"images of \(2, 64\) pixels leave nothing for stage 1; its map is \(0, 16\)"):
        build(arch("poolformer_s12"), 10, image_size=(2, 64))


@pytest.mark.parametrize("size", [(65, 91), (33, 50), (224, 31)])
@pytest.mark.parametrize("name", ["poolformer_s12", "metaformer_ppaa_s12", "poolformerv2_s12", "caformer_s18"])
def test_odd_images(name, size):
    """Built for 64 x 64; a position table is resampled."""
    model = build(arch(name), 5, image_size=(64, 64), width=0.125).eval()
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_a_block_without_ffn_has_neither_its_norm_nor_its_join():
    bare = with_stages(arch("poolformer_s12"), {"ffn": "identity"})
    block = build(bare, 2, width=0.125).stage1.blocks[0]
    assert {name for name, child in block.named_children() if list(child.parameters())} == {"mixer_norm", "mixer_join"}


@pytest.mark.parametrize("head", ["norm_pool", "pool_norm", "mlp"])
@pytest.mark.parametrize("norm", ["groupnorm", "layernorm", "batchnorm", "identity"])
def test_heads_go_with_every_norm(head, norm):
    given = Arch.make("metaformer", {**arch("poolformer_s12").arch, "head": head, "norm": norm})
    model = build(given, 3, image_size=(64, 64), width=0.125).eval()
    assert model(torch.randn(2, 3, 64, 64)).shape == (2, 3)


def test_the_orders_of_norm_and_mean_differ_by_a_factor_for_each_image():
    """Both subtract the mean; the map's own deviation is larger than that of its mean over positions."""
    torch.manual_seed(0)
    theirs = build(arch("poolformer_s12"), 5, width=0.125).eval().head
    other = Arch.make("metaformer", {**arch("poolformer_s12").arch, "head": "pool_norm"})
    ours = build(other, 5, width=0.125).eval().head
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        x = torch.randn(3, ours.norm.normalized_shape[0], 7, 7) + torch.randn(3, ours.norm.normalized_shape[0], 1, 1)
        ratio = ours(x) / theirs(x)
    assert (ratio > 1).all()
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("factor", [0.125, 0.25, 0.3, 1.5])
@pytest.mark.parametrize("name", ["poolformer_s12", "metaformer_ppaa_s12", "caformer_m36"])
def test_widened_networks_keep_everything_else(name, factor):
    given = structure("metaformer").construct(arch(name).arch)
    wider = MetaFormer.widened(given, factor)
    for before, after in zip(given.stages, wider.stages, strict=True):
        unit = before.mixer.args.get("heads", 1)
        assert after.dim % 8 == after.dim % unit == 0
        assert abs(after.dim - factor * before.dim) <= max(4 * unit, 8)
        assert (before.depth, before.mixer, before.ffn, before.join) == (after.depth, after.mixer, after.ffn, after.join)
