"""What a network takes from another: what means the same there, as it is or converted exactly, and a reason for everything else."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from timm.layers import resample_abs_pos_embed
from torch import nn

from space import NETWORKS, Arch, build
from space.weights import Taken, Weights, take

SIZE = (64, 64)
CLASSES = 5


def metaformer(stage: dict[str, Any] | None = None, **changes: Any) -> Arch:
    """Four small stages, alike but for their widths; `stage` changes each of them."""
    alike = {"depth": 2, "mixer": "pool", "ffn": {"name": "mlp", "ratio": 2}, **(stage or {})}
    stages = {f"stage{i}": {"dim": 16 * i, **alike} for i in range(1, 5)}
    return Arch.make("metaformer", {**stages, **changes})


def segformer(fusion: str = "sum", *, dim: int = 32, width: int = 24, **ffn: Any) -> Arch:
    stage = {"depth": 1, "embed": "conv", "mixer": "attention", "ffn": {"name": "mix", "ratio": 2, **ffn}}
    stages = {f"stage{i}": {"dim": dim if i == 4 else 8 * i, **stage} for i in range(1, 5)}
    return Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": fusion, "width": width}})


def vit(layers: int = 2, mixer: dict[str, Any] | str | None = None, **changes: Any) -> Arch:
    layer = {"mixer": mixer or {"name": "attention", "heads": 2}, "ffn": {"name": "mlp", "ratio": 2}}
    return Arch.make("vit", {"dim": 16, "patch": 16, **{f"layer{n}": layer for n in range(1, layers + 1)}, **changes})


def checkpoint(arch: Arch, *, seed: int = 1, size: tuple[int, int] = SIZE, missing: tuple[str, ...] = ()) -> Weights:
    """Weights of `arch` with no tensor at its initial value."""
    torch.manual_seed(seed)
    state = build(arch, CLASSES, image_size=size).state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
    kept = {name: tensor for name, tensor in state.items() if not name.startswith(missing or ("-",))}
    return Weights("test", arch, CLASSES, size, kept, missing=missing)


def taken(arch: Arch, weights: Weights, *, classes: int = CLASSES, size: tuple[int, int] = SIZE) -> tuple[nn.Module, Taken]:
    """A new network and what it took; what it did not take is as it was, and every tensor is accounted for once."""
    torch.manual_seed(2)
    network = build(arch, classes, image_size=size).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = take(network, weights)
    assert sorted([*found.taken, *found.converted, *found.fresh]) == sorted(before)
    after = network.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in found.fresh)
    assert all(torch.equal(after[name], weights.state[name]) for name in found.taken)
    return network, found


def assert_same_function(network: nn.Module, weights: Weights, *, size: tuple[int, int] = SIZE) -> None:
    torch.manual_seed(3)
    image = torch.randn(2, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(network(image), weights.network()(image), atol=1e-5, rtol=1e-5)


def why(found: Taken, *places: str) -> set[str]:
    """The reasons of everything fresh, which lies in these places alone."""
    assert {name for name in found.fresh if not any(f".{place}." in f".{name}." for place in places)} == set()
    return set(found.fresh.values())


@pytest.mark.parametrize(
    "arch",
    [
        metaformer(),
        metaformer({"mixer": {"name": "depthwise", "kernel": 3}, "position": "learned"}, norm="batchnorm", head="mlp"),
        metaformer({"mixer": "random", "join": "residual_scale"}, activation="star_relu", head="pool_norm"),
        segformer("concat", kernels=[3, 5], norm="batchnorm"),
        vit(readout="distilled"),
        vit(mixer="spatial_fc", readout="mean"),
    ],
    ids=lambda arch: arch.id[:6],
)
def test_a_network_takes_everything_from_its_like(arch):
    weights = checkpoint(arch)
    network, found = taken(arch, weights)
    assert (found.part, found.converted, found.fresh) == (1, {}, {})
    assert found.summary.startswith("100 % of ")
    assert_same_function(network, weights)


def test_the_initial_value_of_a_layer_scale_means_nothing():
    weights = checkpoint(metaformer({"join": {"name": "layer_scale", "initial": 1e-6}}))
    assert taken(metaformer({"join": {"name": "layer_scale", "initial": 1e-5}}), weights)[1].part == 1


def test_another_eps_is_another_norm():
    _, found = taken(metaformer(norm={"name": "groupnorm", "eps": 1e-6}), checkpoint(metaformer()))
    assert why(found, "mixer_norm", "ffn_norm", "head.norm") == {"eps=1e-06 here, eps=1e-05 in the checkpoint"}


def test_another_number_of_heads_is_another_attention():
    _, found = taken(vit(mixer={"name": "attention", "heads": 4}), checkpoint(vit()))
    assert why(found, "mixer") == {"heads=4 here, heads=2 in the checkpoint"}
    assert "layers.0.ffn.expand.weight" in found.taken


def test_the_head_order_is_said_with_what_to_do():
    _, found = taken(metaformer(head="norm_pool"), checkpoint(metaformer(head="pool_norm")))
    advice = "norm_pool here, pool_norm in the checkpoint; space.arch.head=pool_norm takes it"
    assert why(found, "head") == {advice}
    assert f"fresh: head ({advice})" in found.summary


def test_a_layer_is_never_taken_in_part():
    _, found = taken(metaformer({"ffn": {"name": "mlp", "ratio": 2, "bias": "none"}}), checkpoint(metaformer()))
    assert why(found, "ffn") == {"bias=False here, bias=True in the checkpoint"}
    _, found = taken(metaformer(norm={"name": "groupnorm", "affine": "scale"}), checkpoint(metaformer()))
    assert why(found, "mixer_norm", "ffn_norm", "head.norm") == {"bias=False here, bias=True in the checkpoint"}


def test_another_activation_or_mixer_leaves_the_rest_its_place():
    arch = metaformer({"mixer": {"name": "depthwise", "kernel": 3}, "join": "plain"}, activation="star_relu")
    _, found = taken(arch, checkpoint(metaformer({"join": "plain"})))
    assert why(found, "mixer", "activation") == {"depthwise here, pool in the checkpoint", "star_relu here, gelu in the checkpoint"}


def test_other_classes_leave_the_classifier_fresh():
    _, found = taken(metaformer(), checkpoint(metaformer()), classes=3)
    assert why(found, "head.classifier") == {"out_features=3 here, out_features=5 in the checkpoint"}
    assert "head.norm.weight" in found.taken


def test_deeper_stages_take_the_blocks_that_there_are():
    _, found = taken(metaformer({"depth": 4}), checkpoint(metaformer()))
    assert why(found, "blocks.2", "blocks.3") == {"the checkpoint has only 2 there"}
    assert "fresh: stage*.blocks.2,3 (the checkpoint has only 2 there)" in found.summary
    assert taken(metaformer({"depth": 1}), checkpoint(metaformer()))[1].part == 1


def test_frozen_weights_are_taken_with_the_grid_that_they_are_of():
    arch = metaformer({"mixer": "random"})
    assert taken(arch, checkpoint(arch))[1].part == 1
    network, found = taken(arch, checkpoint(arch), size=(128, 128))
    assert "grid=(32, 32) here, grid=(16, 16) in the checkpoint" in why(found, "mixer")
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    assert found.part == sum(sizes[name] for name in found.taken) / sum(sizes.values()) < 0.05


def test_another_network_lends_nothing():
    _, found = taken(metaformer(), checkpoint(vit()))
    assert found.part == 0
    assert found.summary.endswith("fresh: everything (the checkpoint is of another network, vit)")


def test_what_the_checkpoint_lacks_is_fresh():
    arch = segformer()
    _, found = taken(arch, checkpoint(arch, missing=("decoder",)))
    assert why(found, "decoder") == {"the checkpoint has none"}


def test_tokens_are_parts_of_their_own():
    _, found = taken(vit(readout="distilled"), checkpoint(vit()))
    assert found.fresh["tokens"] == "(2, 16) here, (1, 16) in the checkpoint"
    assert why(found, "tokens", "token_positions", "classifiers.1") == {found.fresh["tokens"], "the checkpoint has only 1 there"}


@pytest.mark.parametrize(("ours", "theirs"), [("mean", "class"), ("class", "mean")])
def test_a_classifier_of_a_token_is_none_of_the_mean(ours, theirs):
    """Equal shapes, another meaning."""
    _, found = taken(vit(readout=ours), checkpoint(vit(readout=theirs)))
    kinds = {"mean": "MeanClassifiers", "class": "TokenClassifiers"}
    assert found.fresh["classifiers.0.weight"] == f"{kinds[ours]} here, {kinds[theirs]} in the checkpoint"
    assert {"embed.conv.weight", "position.table", "layers.1.mixer.query.weight", "norm.weight"} <= set(found.taken)


def test_the_class_tokens_classifier_is_the_first_of_two():
    _, found = taken(vit(), checkpoint(vit(readout="distilled")))
    assert set(found.fresh) == {"tokens", "token_positions"}
    assert "classifiers.0.weight" in found.taken


@pytest.fixture
def tied(monkeypatch: pytest.MonkeyPatch) -> Arch:
    """A network with one tensor under two names."""
    monkeypatch.setattr(NETWORKS, "_entries", {**NETWORKS._entries, "tied": Tied})
    return Arch.make("tied", {"dim": 4})


@dataclass(frozen=True)
class TiedArch:
    dim: int


class Tied(nn.Module):
    Arch = TiedArch

    def __init__(self, arch: TiedArch, classes: int):
        super().__init__()
        self.first, self.second = nn.Linear(arch.dim, arch.dim), nn.Linear(arch.dim, arch.dim)
        self.second.weight = self.first.weight


def test_a_tensor_under_two_names_is_accounted_for_under_both(tied):
    assert taken(tied, checkpoint(tied))[1].part == 1
    assert set(taken(tied, checkpoint(vit()))[1].fresh) == {
        f"{at}.{name}" for at in ("first", "second") for name in ("weight", "bias")
    }


@pytest.mark.parametrize(("kernel", "larger"), [(3, 5), (5, 9)])
def test_a_larger_kernel_begins_as_the_smaller_one(kernel, larger):
    for mixer in ({"name": "depthwise"}, {"name": "separable_conv"}):
        weights = checkpoint(metaformer({"mixer": {**mixer, "kernel": kernel}}, norm="batchnorm"))
        network, found = taken(metaformer({"mixer": {**mixer, "kernel": larger}}, norm="batchnorm"), weights)
        assert set(found.converted.values()) == {f"kernel of {kernel}x{kernel} padded with zeros to {larger}x{larger}"}
        assert (found.fresh, found.part) == ({}, 1)
        assert_same_function(network, weights)


def test_a_kernel_is_never_cut_down():
    weights = checkpoint(metaformer({"mixer": {"name": "depthwise", "kernel": 5}}))
    _, found = taken(metaformer({"mixer": {"name": "depthwise", "kernel": 3}}), weights)
    assert why(found, "mixer.conv") == {
        "kernel_size=(3, 3), padding=(1, 1) here, kernel_size=(5, 5), padding=(2, 2) in the checkpoint",
    }


@pytest.mark.parametrize(
    ("kernels", "others"), [([3], [3, 5]), ([3], [5]), ([3, 5], [5]), ([3, 5], [5, 5]), ([3, 3], [3]), ([1], [3, 3, 5])]
)
def test_depthwise_shares_split_and_join(kernels, others):
    weights = checkpoint(segformer(kernels=kernels))
    network, found = taken(segformer(kernels=others), weights)
    assert set(found.converted.values()) == {f"kernels {kernels} split and padded with zeros to {others}"}
    assert (found.fresh, found.part) == ({}, 1)
    assert_same_function(network, weights)


@pytest.mark.parametrize(("kernels", "others"), [([3, 5], [3]), ([5], [3, 5])])
def test_depthwise_shares_are_not_cut_down(kernels, others):
    _, found = taken(segformer(kernels=others), checkpoint(segformer(kernels=kernels)))
    assert found.converted == {}
    assert why(found, "ffn.depthwise")


def test_a_decoder_by_concatenation_is_a_sum_and_back():
    for fusion, other, how in (("concat", "sum", "concat folded into sum"), ("sum", "concat", "sum written as concat")):
        weights = checkpoint(segformer(fusion))
        network, found = taken(segformer(other), weights)
        assert set(found.converted.values()) == {how}
        assert (found.fresh, found.part) == ({}, 1)
        assert_same_function(network, weights)


def test_a_projection_of_another_width_stays_out_of_the_fold():
    _, found = taken(segformer("sum", dim=40), checkpoint(segformer("concat")))
    assert "decoder.projections.0.weight" in found.converted
    assert found.fresh["decoder.projections.3.weight"] == "in_features=40 here, in_features=32 in the checkpoint"
    _, found = taken(segformer("sum", width=16), checkpoint(segformer("concat")))
    assert not [name for name in (*found.taken, *found.converted) if name.startswith("decoder.")]


def test_positions_are_resampled_as_timm_does():
    weights = checkpoint(vit())
    network, found = taken(vit(), weights, size=(96, 128))
    assert dict(found.converted) == {"position.table": "resampled from 4x4 to 6x8"}
    rows = torch.cat([weights.state["token_positions"], weights.state["position.table"].flatten(2)[0].T]).unsqueeze(0)
    expected = resample_abs_pos_embed(rows, [6, 8], num_prefix_tokens=1)
    found_rows = torch.cat([network.token_positions, network.position.table.flatten(2)[0].T])
    torch.testing.assert_close(found_rows.detach(), expected[0], atol=1e-6, rtol=0)


def test_statistics_come_with_their_norm():
    weights = checkpoint(metaformer(norm="batchnorm"))
    network, _ = taken(metaformer({"mixer": "identity"}, norm="batchnorm"), weights)
    name = "stage2.blocks.1.ffn_norm.running_var"
    assert torch.equal(network.state_dict()[name], weights.state[name])


def test_a_summary_names_the_large_groups_first():
    attention = {"mixer": {"name": "attention", "heads": 2}, "embed": {"name": "conv", "norm": "batchnorm"}}
    arch = metaformer(attention, norm="layernorm")
    _, found = taken(arch, checkpoint(metaformer()), classes=3)
    fresh = found.summary.partition("fresh: ")[2]
    assert fresh.index("stage*.blocks.*.mixer (attention here, pool in the checkpoint)") < fresh.index("stage*.embed.norm")
    assert "stage*.blocks.*.mixer_norm and stage*.blocks.*.ffn_norm and head.norm (layernorm here, groupnorm" in fresh
