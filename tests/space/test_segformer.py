"""SegFormer and BoostFormer as networks: parameters part by part, shapes, layouts, gradients, exact transforms."""

import random
from pathlib import Path

import pytest
import torch
from named import arch, space
from torch import nn

from space import Arch, build
from space.arch import structure
from space.networks.segformer import SegFormer

CONF = Path(__file__).parents[2] / "conf"
WIDTHS = (64, 128, 320, 512)
TRIED = {"separable_attention", "channel_attention", "inverted_residual", "deformable"}
MIXERS = {"attention", "pool", "depthwise", "identity"} | TRIED


def on_meta(name: str) -> SegFormer:
    with torch.device("meta"):
        return build(arch(name), 150, drop_path=0.1).eval()


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def sampled(count: int) -> list[Arch]:
    rng, small = random.Random(0), space("segformer_b0")
    return [small.sample(rng) for _ in range(count)]


MEMBERS = sampled(12)


def stage_counts(stage: nn.Module) -> tuple[int, int, int, int]:
    return count(stage.embed), count(stage.blocks[0]), count(stage.blocks), count(stage.norm)


def test_parameters_of_b2_part_by_part():
    model = on_meta("segformer_b2")
    assert count(model) == 27_461_974
    assert stage_counts(model.stage1) == (9_600, 314_880, 944_640, 128)
    assert stage_counts(model.stage2) == (74_112, 465_920, 1_863_680, 256)
    assert stage_counts(model.stage3) == (369_600, 1_656_320, 9_937_920, 640)
    assert stage_counts(model.stage4) == (1_476_096, 3_172_864, 9_518_592, 1_024)
    assert [count(p) for p in model.decoder.projections] == [49_920, 99_072, 246_528, 393_984]
    assert count(model.decoder.fusion) == 2_359_296
    assert (count(model.decoder.norm), count(model.decoder.classifier)) == (1_536, 115_350)
    assert count(model) - count(model.decoder) == 24_196_288
    assert sum(b.numel() for b in model.buffers()) == 1_537


def test_parameters_of_boostformer_part_by_part():
    model = on_meta("boostformer")
    assert count(model) == 17_576_602
    assert stage_counts(model.stage1) == (384, 39_104, 117_312, 0)
    assert stage_counts(model.stage2) == (8_576, 143_744, 574_976, 0)
    assert stage_counts(model.stage3) == (41_920, 1_159_040, 6_954_240, 0)
    assert stage_counts(model.stage4) == (165_376, 2_935_808, 8_807_424, 0)
    assert count(model.decoder.fusion) == 4
    assert count(model) - count(model.decoder) == 16_670_208
    assert sum(b.numel() for b in model.buffers()) == 70_959


@pytest.mark.parametrize(
    ("stage", "product", "shrink", "ffn", "norms"),
    [
        (1, 4_160, 262_336, 35_648, 256),
        (2, 16_512, 262_528, 136_832, 512),
        (3, 102_720, 410_560, 833_600, 1_280),
        (4, 262_656, 0, 2_120_192, 2_048),
    ],
)
def test_parameters_of_a_b2_block(stage, product, shrink, ffn, norms):
    block = getattr(on_meta("segformer_b2"), f"stage{stage}").blocks[0]
    assert count(block.mixer.query) == count(block.mixer.output) == product
    assert count(block.mixer.key_value) == 2 * product
    assert count(block.mixer.shrink) == shrink
    assert count(block.ffn) == ffn
    assert count(block.mixer_norm) + count(block.ffn_norm) + count(block.end_norm) == norms


@pytest.mark.parametrize(("stage", "ffn", "scales"), [(1, 38_720, 128), (2, 142_976, 256), (3, 848_960, 0), (4, 2_144_768, 0)])
def test_parameters_of_a_boostformer_block(stage, ffn, scales):
    block = getattr(on_meta("boostformer"), f"stage{stage}").blocks[0]
    assert count(block.ffn) == ffn
    assert count(block.mixer_join) + count(block.ffn_join) == scales
    assert count(block.mixer_norm) == 0
    assert count(block.ffn_norm) == count(block.end_norm) == 2 * WIDTHS[stage - 1]


@pytest.mark.parametrize(("size", "logits"), [((512, 512), (128, 128)), ((513, 683), (129, 171))])
@pytest.mark.parametrize("name", ["segformer_b2", "boostformer"])
def test_logits_are_at_a_quarter_of_the_image(name, size, logits):
    model = on_meta(name)
    image = torch.empty(1, 3, *size, device="meta")
    assert model(image).shape == (1, 150, *logits)
    assert next(iter(model.features(image))).shape == (1, 64, *logits)


def test_maps_of_an_odd_image():
    maps = on_meta("segformer_b2").features(torch.empty(1, 3, 512, 683, device="meta"))
    assert [m.shape[3] for m in maps] == [171, 86, 43, 22]


@pytest.mark.parametrize("name", ["segformer_b2", "boostformer"])
def test_drop_path_rises_over_all_blocks(name):
    model = on_meta(name)
    rates = [block.drop_path.drop_prob for i in range(1, 5) for block in getattr(model, f"stage{i}").blocks]
    assert rates == pytest.approx([0.1 * i / 15 for i in range(16)], abs=1e-7)


def test_initial_values_and_eps():
    model = build(arch("boostformer_b0"), 7)
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            assert module.weight.std().item() == pytest.approx(0.02, rel=0.5)
            assert module.bias is None or not module.bias.any()
        if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            assert module.eps == 1e-5
            assert module.weight.eq(1).all()
    assert model.stage1.blocks[0].mixer_join.scale.eq(1e-5).all()
    assert model.decoder.fusion.weight.tolist() == [1, 1, 1, 1]


def gradients(model: nn.Module, size: int) -> None:
    image = torch.randn(2, 3, size, size)
    logits = model.train()(image)
    assert logits.shape[2:] == (size // 4, size // 4)
    nn.functional.cross_entropy(logits, torch.randint(0, logits.shape[1], (2, size // 4, size // 4))).backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not missing


@pytest.mark.parametrize("name", ["segformer_b2", "boostformer"])
def test_every_parameter_gets_a_gradient(name):
    gradients(build(arch(name), 9), 64)


@pytest.mark.parametrize("member", MEMBERS, ids=[member.id[:8] for member in MEMBERS])
def test_random_members_train_a_step(member):
    model = build(member, 5, width=0.5)
    gradients(model, 64)
    torch.optim.AdamW(model.parameters(), lr=1e-3).step()
    with torch.no_grad():
        assert model.eval()(torch.randn(1, 3, 65, 91)).isfinite().all()


@pytest.mark.parametrize("name", sorted(TRIED))
def test_one_step_changes_to_the_mixers_that_were_tried_train_a_step(name):
    small = space("segformer_b0")
    changes = [change.arch for change in small.changes(small.baseline) if change.name.endswith(".mixer") and change.after == name]
    assert len(changes) == 4
    for changed in (changes[0], changes[3]):
        gradients(build(changed, 5, width=0.5), 64)


@pytest.mark.parametrize("name", ["segformer", "segformer_b0"])
def test_the_space_holds_what_it_names(name):
    holes = {hole.name: hole.options for hole in space(name).holes()}
    for stage in ("stage1", "stage2", "stage3", "stage4"):
        assert {"conv", "pool"} == set(holes[f"{stage}.embed"])
        assert set(holes[f"{stage}.mixer"]) == MIXERS
        assert {"conv", "pool", "pool_conv"} == set(holes[f"{stage}.mixer.attention.kv"])
        assert 7 in holes[f"{stage}.mixer.attention.kv.pool.size"]
        assert 7 in holes[f"{stage}.mixer.attention.kv.pool_conv.size"]
        assert {"mix", "identity"} == set(holes[f"{stage}.ffn"])
    assert {"pre", "v2"} == set(holes["norm_layout"])
    assert {"concat", "sum"} == set(holes["decoder.fusion"])


def test_every_rung_of_the_ladder_is_a_member():
    segformer = space("segformer")
    names = [path.stem for path in (CONF / "arch").glob("ladder_*.yaml")]
    assert len(names) == 7
    assert all(arch(name) in segformer for name in [*names, "segformer_b2", "boostformer"])


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.3, 1.5])
@pytest.mark.parametrize("name", ["segformer_b0", "boostformer", "ladder_5_split_depthwise"])
def test_widened_networks_build_and_keep_everything_else(name, factor):
    given = structure("segformer").construct(arch(name).arch)
    wider = SegFormer.widened(given, factor)
    for before, after, heads in zip(given.stages, wider.stages, (1, 2, 5, 8), strict=True):
        assert after.dim % 8 == 0
        assert after.dim % heads == 0
        assert abs(after.dim - factor * before.dim) <= 20
        assert (before.depth, before.mixer, before.ffn, before.embed) == (after.depth, after.mixer, after.ffn, after.embed)
    with torch.device("meta"):
        assert SegFormer(wider, 3, (64, 64))(torch.empty(2, 3, 64, 64)).shape == (2, 3, 16, 16)


def test_half_the_width_is_half_of_each():
    wider = SegFormer.widened(structure("segformer").construct(arch("segformer_b2").arch), 0.5)
    assert [stage.dim for stage in wider.stages] == [32, 64, 160, 256]
    assert wider.decoder.width == 384


def test_a_block_without_ffn_has_neither_its_norm_nor_its_scale():
    given = arch("boostformer_b0")
    for layout, kept in (("pre", {"mixer_norm", "mixer_join"}), ("v2", {"mixer_join", "end_norm"})):
        bare = Arch.make(
            given.network, {**given.arch, "norm_layout": layout, "stage1": {**given.arch["stage1"], "ffn": "identity"}}
        )
        block = build(bare, 2).stage1.blocks[0]
        assert {name for name, child in block.named_children() if count(child)} == kept
