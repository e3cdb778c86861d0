"""SegFormer as transformers has it and as we do: the same sizes, and with the same weights the same logits."""

from pathlib import Path

import pytest
import torch

from space import Arch, build
from space.weights import read, take
from space.weights.huggingface_segformer import NAMES, convert

transformers = pytest.importorskip("transformers", reason="install the dev extra: pip install -e '.[dev]'")

ARCHES = Path(__file__).parents[2] / "conf" / "arch"
DEPTHS = {0: (2, 2, 2, 2), 1: (2, 2, 2, 2), 2: (3, 4, 6, 3), 3: (3, 4, 18, 3), 4: (3, 8, 27, 3), 5: (3, 6, 40, 3)}


def theirs(variant: int, classes: int) -> torch.nn.Module:
    config = transformers.SegformerConfig(
        hidden_sizes=[32, 64, 160, 256] if variant == 0 else [64, 128, 320, 512],
        depths=list(DEPTHS[variant]),
        decoder_hidden_size=256 if variant < 2 else 768,
        num_labels=classes,
    )
    return transformers.SegformerForSemanticSegmentation(config).eval()


def ours(variant: int, classes: int) -> torch.nn.Module:
    return build(Arch.from_yaml(ARCHES / f"segformer_b{variant}.yaml"), classes).eval()


@pytest.mark.parametrize("variant", DEPTHS)
def test_variants_have_the_same_parameters(variant):
    with torch.device("meta"):
        counts = [sum(p.numel() for p in model(variant, 150).parameters()) for model in (theirs, ours)]
    assert counts[0] == counts[1]


def unlike_the_start(model: torch.nn.Module) -> torch.nn.Module:
    """Every parameter and statistic away from its initial value, so that none can be mistaken for another."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor), alpha=0.03)
    return model


@pytest.mark.parametrize(("variant", "size"), [(0, (96, 133)), (2, (64, 96))])
def test_the_same_weights_give_the_same_logits(variant, size):
    source = unlike_the_start(theirs(variant, 11))
    weights = convert(source.state_dict())
    assert weights.arch == Arch.from_yaml(ARCHES / f"segformer_b{variant}.yaml")
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(weights.network()(image), source(image).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", DEPTHS)
def test_variants_are_told_by_their_shapes(variant):
    with torch.device("meta"):
        state = theirs(variant, 150).state_dict()
    assert convert(state).arch == Arch.from_yaml(ARCHES / f"segformer_b{variant}.yaml")


def test_every_eps_is_that_of_the_library_whatever_its_configuration_says():
    """`layer_norm_eps` is 1e-6 in the configuration and read nowhere: the layers have torch's 1e-5, and so do ours."""
    with torch.device("meta"):
        source, target = theirs(0, 11), ours(0, 11)
    assert source.config.layer_norm_eps == 1e-6
    named = {name: module.eps for name, module in source.named_modules() if hasattr(module, "eps")}
    found = {NAMES.ours(f"{name}.weight").removesuffix(".weight"): eps for name, eps in named.items()}
    assert found == {name: module.eps for name, module in target.named_modules() if hasattr(module, "eps")}
    assert set(found.values()) == {1e-5}


def test_a_saved_checkpoint_has_the_published_names(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="comes with transformers")
    source = unlike_the_start(theirs(0, 3))
    source.save_pretrained(tmp_path)
    assert "segformer.encoder.block.0.0.attention.self.query.weight" in safetensors.load_file(tmp_path / "model.safetensors")
    found = read(tmp_path / "model.safetensors").network().state_dict()
    expected = convert(source.state_dict()).network().state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_classifier_lends_its_encoder(tmp_path):
    config = transformers.SegformerConfig(num_labels=1000)  # B0's encoder, as nvidia/mit-b0
    source = unlike_the_start(transformers.SegformerForImageClassification(config).eval())
    source.save_pretrained(tmp_path)
    weights, target = read(tmp_path / "model.safetensors"), ours(0, 11)
    assert weights.missing == ("decoder",)
    found = take(target, weights)
    assert {name for name in target.state_dict() if name.startswith("decoder.")} == set(found.fresh)
    assert found.summary == "89.3 % of 3.7 M parameters; fresh: decoder (the checkpoint has none)"
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        *_, last = target.features(image)
        torch.testing.assert_close(last, source.segformer(image).last_hidden_state, atol=1e-5, rtol=1e-5)


def test_what_boostformer_takes():
    """Its eight changes: the decoder folds, the kernels pad, and what has no counterpart is named."""
    weights = convert(unlike_the_start(theirs(0, 11)).state_dict())
    target = build(Arch.from_yaml(ARCHES / "boostformer_b0.yaml"), 11)
    found = take(target, weights)
    assert set(found.converted.values()) == {"concat folded into sum", "kernels [3] split and padded with zeros to [3, 5]"}
    reasons = {
        "stage1.embed.project.weight": "pool here, conv in the checkpoint",
        "stage1.blocks.0.ffn_norm.weight": "batchnorm here, layernorm in the checkpoint",
        "stage1.blocks.1.ffn.expand_norm.running_mean": "batchnorm here, identity in the checkpoint",
        "stage2.blocks.0.mixer_join.scale": "layer_scale here, plain in the checkpoint",
        "stage3.blocks.1.mixer.shrink.norm.weight": "pool here, conv in the checkpoint",
        "stage4.blocks.0.end_norm.bias": "layernorm here, none in the checkpoint",
    }
    assert {name: found.fresh[name] for name in reasons} == reasons
    taken = "stage3.blocks.0.mixer.key_value.weight"
    assert taken in found.taken
    assert torch.equal(target.state_dict()[taken], weights.state[taken])
    assert 0.96 < found.part < 0.97
    assert found.summary.startswith("96.8 % of 2.4 M parameters; converted: decoder (concat folded into sum), ")
    assert "stage1,2.blocks.*.ffn_norm (batchnorm here, layernorm in the checkpoint)" in found.summary


def test_a_foreign_entry_is_named():
    with pytest.raises(ValueError, match=r"'backbone\.stem\.weight' is not an entry that such a checkpoint has"):
        convert({"backbone.stem.weight": torch.zeros(1)})


def test_keys_without_values_are_named():
    with pytest.raises(ValueError, match=r"'stage1\.blocks\.0\.mixer\.value\.weight' \(our name\) is missing"):
        convert({"segformer.encoder.block.0.0.attention.self.key.weight": torch.zeros(32, 32)})
