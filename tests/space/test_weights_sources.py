"""Checkpoints of each source in our networks: the same sizes, eps and outputs as the network that they were made for."""

from pathlib import Path

import pytest
import timm
import torch
from timm.models.metaformer import checkpoint_filter_fn
from torch import nn

from space import Arch, build
from space.weights import SOURCES, read, take
from space.weights.paredown import convert as paredown
from space.weights.timm_metaformer import NAMES as METAFORMER_NAMES
from space.weights.timm_vit import NAMES as VIT_NAMES

ARCHES = Path(__file__).parents[2] / "conf" / "arch"
METAFORMERS = ("poolformer_s12", "poolformerv2_s12", "convformer_s18", "caformer_s18")
VITS = {
    "vit_tiny_patch16_224": "vit_tiny",
    "deit_tiny_distilled_patch16_224": "deit_tiny_distilled",
    "deit3_small_patch16_224": None,
}


def unlike_the_start(network: nn.Module) -> nn.Module:
    """Every parameter away from its initial value, so that none can be mistaken for another."""
    torch.manual_seed(0)
    for tensor in network.parameters():
        tensor.data.add_(torch.randn_like(tensor), alpha=0.03)
    return network.eval()


def arch(name: str, **changes: str) -> Arch:
    whole = Arch.from_yaml(ARCHES / f"{name}.yaml")
    return Arch.make(whole.network, {**whole.arch, **changes})


def save(state: object, path: Path) -> Path:
    torch.save(state, path)
    return path


def eps(network: nn.Module) -> dict[str, float]:
    return {name: module.eps for name, module in network.named_modules() if hasattr(module, "eps")}


def close(ours: torch.Tensor, theirs: torch.Tensor, part: float) -> None:
    """Equal up to `part` of the largest value."""
    assert (ours - theirs).abs().max() < part * theirs.abs().max()


@pytest.mark.parametrize("name", METAFORMERS)
def test_timm_metaformers_give_their_features_and_logits(name, tmp_path):
    theirs = unlike_the_start(timm.create_model(name, num_classes=5))
    weights = read(save({"state_dict": theirs.state_dict()}, tmp_path / "checkpoint.pth"))
    assert weights.source == "timm_metaformer"
    assert weights.arch == (arch(name, head="pool_norm") if name == "poolformer_s12" else arch(name))
    ours, image = weights.network(), torch.randn(2, 3, 64, 80)
    with torch.no_grad():
        *_, last = ours.features(image)
        close(last, theirs.forward_features(image), 1e-5)
        close(ours(image), theirs(image), 1e-5)
    named = {METAFORMER_NAMES.ours(f"{at}.weight").removesuffix(".weight"): value for at, value in eps(theirs).items()}
    assert named == eps(ours)


@pytest.mark.parametrize(("name", "ours"), VITS.items())
def test_timm_vits_give_their_features_and_logits(name, ours, tmp_path):
    theirs = unlike_the_start(timm.create_model(name, num_classes=5, img_size=48))
    weights = read(save(theirs.state_dict(), tmp_path / "checkpoint.pth"))
    assert (weights.source, weights.image_size) == ("timm_vit", (48, 48))
    assert ours is None or weights.arch == arch(ours)
    network, image = weights.network(), torch.randn(2, 3, 48, 48)
    with torch.no_grad():
        rows = network.norm(network.features(image))[:, :, 0].transpose(1, 2)
        close(rows, theirs.forward_features(image), 1e-5)
        close(network(image), theirs(image), 1e-5)
    named = {VIT_NAMES.ours(f"{at}.weight").removesuffix(".weight"): value for at, value in eps(theirs).items()}
    assert named == eps(network)


def test_a_backbone_has_no_classifier(tmp_path):
    for name, missing in (("poolformerv2_s12", "head.classifier"), ("vit_tiny_patch16_224", "classifiers")):
        theirs = timm.create_model(name, num_classes=0)
        weights = read(save(theirs.state_dict(), tmp_path / "checkpoint.pth"))
        assert weights.missing == (missing,)
        found = take(build(weights.arch, 3), weights)
        assert [at for at in found.fresh if not at.startswith(missing)] == []
        assert set(found.fresh.values()) == {"the checkpoint has none"}


def test_the_head_orders_differ_by_a_factor_of_each_image(tmp_path):
    """Both subtract the same mean; norm_pool divides by the deviation of the whole map, pool_norm by that of its mean."""
    theirs = unlike_the_start(timm.create_model("poolformer_s12", num_classes=5))
    weights = read(save(theirs.state_dict(), tmp_path / "checkpoint.pth"))
    authors = build(arch("poolformer_s12"), 5).eval()
    authors.load_state_dict(weights.state)  # equal names and shapes
    image = torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        *_, last = authors.features(image)
        pooled = last.mean((2, 3))
        factor = ((last.var((1, 2, 3), correction=0) + 1e-5) / (pooled.var(1, correction=0) + 1e-6)).sqrt()
        shift = authors.head.classifier(authors.head.norm.bias)
        torch.testing.assert_close(theirs(image) - shift, factor[:, None] * (authors(image) - shift), atol=1e-5, rtol=1e-5)
    assert factor.min() > 1.01
    advice = "norm_pool here, pool_norm in the checkpoint; space.arch.head=pool_norm takes it"
    found = take(authors, weights)
    assert found.fresh == dict.fromkeys((at for at in weights.state if "head" in at), advice)


def sailsg_names(network: list[str]) -> dict[str, str]:
    """Ours -> sail-sg's, for a list `network` of stages (1), embeddings (e2) and position tables (p3)."""
    block = {"mixer_norm": "norm1", "ffn_norm": "norm2", "mixer.output": "token_mixer.proj", "mixer": "token_mixer.fc"}
    block |= {"ffn.expand": "mlp.fc1", "ffn.reduce": "mlp.fc2", "mixer.qkv": "token_mixer.qkv"}
    names = {"stage1.embed.conv": "patch_embed.proj", "head.norm": "norm", "head.classifier": "head"}
    for i, item in enumerate(network):
        if item[0] == "e":
            names[f"stage{item[1]}.embed.conv"] = f"network.{i}.proj"
        elif item[0] == "p":
            names[f"stage{item[1]}.position"] = f"network.{i}"
        else:
            for b in range(6):
                ours = f"stage{item}.blocks.{b}"
                names |= {f"{ours}.{mine}": f"network.{i}.{b}.{other}" for mine, other in block.items()}
                names |= {
                    f"{ours}.mixer_join": f"network.{i}.{b}.layer_scale_1",
                    f"{ours}.ffn_join": f"network.{i}.{b}.layer_scale_2",
                }
    return names


def sailsg_state(ours: nn.Module, network: list[str]) -> dict[str, torch.Tensor]:
    """The weights of a network of ours as sail-sg's code would save them."""
    names, found = sailsg_names(network), {}
    state = ours.state_dict()
    for query in [name for name in state if ".mixer.query." in name]:
        joint = torch.cat([state.pop(query), state.pop(query.replace(".query.", ".key_value."))])
        state[query.replace(".query.", ".qkv.")] = joint
    for name, tensor in state.items():
        module, _, own = name.rpartition(".")
        theirs = names[module]
        conv = module.endswith(("ffn.expand", "ffn.reduce")) and own == "weight"
        own = {"table": ".pos_embed", "scale": ""}.get(own, f".{own}")
        found[theirs + own] = tensor[..., None, None] if conv else tensor
    return found


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("poolformer_s12", ["1", "e2", "2", "e3", "3", "e4", "4"]),
        ("metaformer_pppa_s12", ["1", "e2", "2", "e3", "3", "e4", "p4", "4"]),
        ("metaformer_ppaa_s12", ["1", "e2", "2", "e3", "p3", "3", "e4", "4"]),
        ("metaformer_ppff_s12", ["1", "e2", "2", "e3", "3", "e4", "4"]),
    ],
)
def test_sailsg_checkpoints_are_mapped_by_what_each_index_holds(name, network, tmp_path):
    ours = unlike_the_start(build(arch(name), 5))
    weights = read(save(sailsg_state(ours, network), tmp_path / f"{name}.pth.tar"))
    assert (weights.source, weights.arch, weights.image_size) == ("sailsg_poolformer", arch(name), (224, 224))
    expected, found = ours.state_dict(), weights.network().state_dict()
    assert expected.keys() == found.keys()
    assert all(torch.equal(found[at], expected[at]) for at in expected)


def test_sailsg_names_are_those_that_timm_converts(tmp_path):
    ours = unlike_the_start(build(arch("poolformer_s12"), 5))
    state = sailsg_state(ours, ["1", "e2", "2", "e3", "3", "e4", "4"])
    theirs = timm.create_model("poolformer_s12", num_classes=5).eval()
    theirs.load_state_dict(checkpoint_filter_fn(dict(state), theirs))
    weights, image = read(save(state, tmp_path / "s12.pth.tar")), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        *_, last = weights.network().features(image)
        close(last, theirs.forward_features(image), 1e-5)
    assert take(build(arch("metaformer_id_s12"), 5), weights).part == 1  # the same names and shapes


@pytest.fixture
def trial() -> dict:
    small = arch("poolformer_s12")
    networks = [unlike_the_start(build(small, 3, image_size=(64, 64), width=0.125)) for _ in range(2)]
    nn.init.ones_(networks[1].head.classifier.bias)
    made = {"network": "metaformer", "arch": dict(small.arch), "classes": 3, "image_size": [64, 64], "width": 0.125}
    state = {"network": networks[0].state_dict(), "average": networks[1].state_dict()}
    return {"key": "k", "measurements": {"top1": 1.0}, "state": state, "made": made}


def test_trials_of_our_own_say_what_they_are_of(trial, tmp_path):
    weights = read(save(trial, tmp_path / "rung_1.pt"))
    assert (weights.source, weights.arch, weights.width, weights.classes) == ("paredown", arch("poolformer_s12"), 0.125, 3)
    assert torch.equal(weights.network().head.classifier.bias, torch.ones(3))  # the average was what was scored
    trial["state"]["average"] = {}
    expected = trial["state"]["network"]["head.classifier.bias"]
    assert torch.equal(read(save(trial, tmp_path / "rung_1.pt")).network().head.classifier.bias, expected)


def test_a_trial_that_gave_its_weights_up_is_refused(trial):
    with pytest.raises(ValueError, match="holds measurements but no weights"):
        paredown({**trial, "state": {}})
    with pytest.raises(ValueError, match=r"missing in 'made': classes, width"):
        paredown({**trial, "made": {key: trial["made"][key] for key in ("network", "arch", "image_size")}})


def test_each_file_here_is_a_source():
    folder = Path(__file__).parents[2] / "space" / "weights"
    assert SOURCES.names() == sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
