"""torchvision's ImageNet classifiers as backbones: the maps that their `features` give."""

from typing import Any

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from space import Arch, build
from space.weights import read, take
from space.weights.torchvision_backbone import convert, recognises

ENDS = {"vgg11_bn": 28, "vgg13_bn": 35, "vgg16_bn": 43, "vgg13": 25, "mobilenet_v3_large": 7}  # of features, where ours end
SMALL = {"window": [16, 8], "ffn": "identity"}


def features(name: str) -> nn.Sequential:
    """As a new classifier's, but no tensor at its initial value; made without the large classifier."""
    with torch.device("meta"):
        made = getattr(torchvision.models, name)(weights=None).features
    torch.manual_seed(0)
    made = made.to_empty(device="cpu").eval()
    for tensor in made.state_dict().values():
        fan = tensor[0].numel() if tensor.dim() == 4 else 1
        tensor.copy_(torch.randn(tensor.shape) * fan**-0.5 if fan > 1 else 0.75 + torch.rand(tensor.shape) / 2)
    return made


def state(name: str) -> dict[str, Tensor]:
    entries = {f"features.{at}": tensor for at, tensor in features(name).state_dict().items()}
    return {**entries, "classifier.0.weight": torch.zeros(2, 2)}


def member(backbone: Any) -> Arch:
    return Arch.make("pet", {"backbone": backbone, "encoder": {"layer1": SMALL}, "decoder": {}, "dim": 32, "heads": 1})


@pytest.mark.parametrize(("name", "end"), ENDS.items())
def test_maps_are_those_of_torchvision(name, end, tmp_path):
    save_file(state(name), tmp_path / "backbone.safetensors")  # sorts by name: features.10 before features.2
    weights = read(tmp_path / "backbone.safetensors")
    assert weights.source == "torchvision_backbone"
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        *_, ours = weights.network().backbone.body.maps(image)
        theirs = features(name)[:end](image)
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_only_the_backbone_is_taken():
    network = build(member({"name": "vgg11_bn"}), 1, image_size=(256, 256))
    taken = take(network, convert(state("vgg11_bn")))
    assert all(name.startswith("backbone.body.") for name in taken.taken)
    assert not any(name.startswith("backbone.body.") for name in taken.fresh)
    assert "the checkpoint has none" in taken.summary


def test_another_backbone_takes_nothing():
    taken = take(build(member({"name": "vgg13_bn"}), 1, image_size=(256, 256)), convert(state("vgg11_bn")))
    assert not taken.taken
    assert "vgg13_bn here, vgg11_bn in the checkpoint" in taken.summary


def test_norms_that_the_checkpoint_lacks_leave_the_backbone_fresh():
    taken = take(build(member({"name": "vgg13_bn"}), 1, image_size=(256, 256)), convert(state("vgg13")))
    assert not taken.taken
    assert "norm=kept here, norm=removed in the checkpoint" in taken.summary


@pytest.mark.parametrize("name", ["vgg19_bn", "alexnet", "mobilenet_v3_small"])
def test_other_classifiers_are_refused(name):
    with torch.device("meta"):
        given = getattr(torchvision.models, name)(weights=None).state_dict()
    assert recognises(given)
    with pytest.raises(ValueError, match=r"convolutions in 'features', the last of .* known: vgg11, vgg13, vgg16"):
        convert(given)


def test_what_is_no_such_classifier_is_not_recognised():
    with torch.device("meta"):
        assert not recognises(torchvision.models.mobilenet_v2(weights=None).state_dict())
        assert not recognises(torchvision.models.efficientnet_b0(weights=None).state_dict())
