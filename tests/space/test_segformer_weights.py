"""SegFormer as transformers has it and as we do: the same sizes, and with the same weights the same logits."""

from pathlib import Path

import pytest
import torch

from space import Arch, build
from space.weights.huggingface_segformer import convert

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
    source, target = unlike_the_start(theirs(variant, 11)), ours(variant, 11)
    target.load_state_dict(convert(source.state_dict()))
    image = torch.randn(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(target(image), source(image).logits, atol=1e-5, rtol=1e-5)


def test_a_saved_checkpoint_has_the_published_names(tmp_path):
    safetensors = pytest.importorskip("safetensors.torch", reason="comes with transformers")
    source = theirs(0, 3)
    source.save_pretrained(tmp_path)
    saved = safetensors.load_file(tmp_path / "model.safetensors")
    assert "segformer.encoder.block.0.0.attention.self.query.weight" in saved
    expected = convert(source.state_dict())
    found = convert(saved)
    assert (
        found.keys() == {name for name in expected if not name.endswith("num_batches_tracked")} or found.keys() == expected.keys()
    )
    assert all(torch.equal(found[name], expected[name]) for name in found)


def test_a_foreign_entry_is_named():
    with pytest.raises(ValueError, match=r"'backbone\.stem\.weight' is not an entry of a SegFormer's state dict"):
        convert({"backbone.stem.weight": torch.zeros(1)})


def test_a_classifier_is_left_out():
    assert convert({"classifier.weight": torch.zeros(1)}) == {}
