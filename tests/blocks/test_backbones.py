"""Backbones: the contract of the slot, their maps and their sizes, and that torchvision's weights fit."""

import inspect

import pytest
import torch
from torch import nn
from torchvision import models

from blocks.backbone import BACKBONE
from registry import Option

CHANNELS = {
    "vgg16_bn": (128, 256, 512, 512),
    "vgg13_bn": (64, 128, 256, 512),
    "vgg11_bn": (128, 256, 512, 512),
    "mobilenet_v3": (16, 24, 40, 40),
}
STRIDES = {"vgg16_bn": (2, 4, 8, 16), "vgg13_bn": (2, 4, 8, 32), "vgg11_bn": (2, 4, 8, 16), "mobilenet_v3": (2, 4, 8, 8)}
PARAMS = {"vgg16_bn": 14_723_136, "vgg13_bn": 9_410_880, "vgg11_bn": 9_225_984, "mobilenet_v3": 61_120}
THIN = {"width": 0.125}
every_backbone = pytest.mark.parametrize("name", list(BACKBONE))


def built(name: str, **args: object) -> nn.Module:
    torch.manual_seed(0)
    return BACKBONE.build(Option(name, args))


def test_every_backbone_is_looked_at():
    assert set(BACKBONE) == set(CHANNELS)


@every_backbone
def test_maps_channels_and_size_at_full_width(name):
    with torch.device("meta"):
        backbone = built(name).eval()
        maps = list(backbone.maps(torch.empty(1, 3, 256, 128)))
    assert backbone.channels == CHANNELS[name]
    assert [tuple(x.shape[1:]) for x in maps] == [
        (dim, 256 // stride, 128 // stride) for dim, stride in zip(CHANNELS[name], STRIDES[name], strict=True)
    ]
    assert sum(p.numel() for p in backbone.parameters()) == PARAMS[name]
    assert all(isinstance(getattr(backbone, f"stage{i}"), nn.Sequential) for i in range(1, 5))


@every_backbone
@pytest.mark.parametrize("width", [0.125, 0.5, 2.0])
def test_widths_are_multiples_of_eight(name, width):
    with torch.device("meta"):
        backbone = built(name, width=width)
        maps = list(backbone.maps(torch.empty(2, 3, 64, 64)))
    assert backbone.channels == tuple(x.shape[1] for x in maps)
    wanted = [max(8, dim * width) for dim in CHANNELS[name]]
    assert all(count % 8 == 0 and abs(count - near) <= 4 for count, near in zip(backbone.channels, wanted, strict=True))


@every_backbone
def test_training_gives_every_parameter_a_gradient(name):
    backbone = built(name, **THIN).train()
    last = list(backbone.maps(torch.randn(2, 3, 64, 64)))[-1]
    (last * torch.randn_like(last)).sum().backward()
    for parameter_name, parameter in backbone.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter_name.endswith("bias") or parameter.grad.any(), parameter_name


@every_backbone
def test_evaluation_is_repeatable(name):
    backbone, image = built(name, **THIN).eval(), torch.randn(1, 3, 37, 50)
    with torch.no_grad():
        one, other = list(backbone.maps(image)), list(backbone.maps(image))
    assert all(torch.equal(a, b) and a.isfinite().all() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", ["vgg16_bn", "vgg13_bn", "vgg11_bn"])
def test_removed_norms(name):
    kept, removed = built(name, **THIN), built(name, norm="removed", **THIN)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in removed.modules())
    convs = [[layer.weight.shape for layer in net.modules() if isinstance(layer, nn.Conv2d)] for net in (kept, removed)]
    assert convs[0] == convs[1]
    scale = torch.stack([x.std() for x in removed.maps(torch.randn(1, 3, 64, 64))])
    assert (scale > 0.1).all()  # signals do not fade without them
    assert (scale < 10).all()


@every_backbone
def test_torchvisions_weights_are_these_in_order(name):
    """Its features, cut off behind the last stage, compute the last map."""
    torch.manual_seed(1)
    theirs = getattr(models, {"mobilenet_v3": "mobilenet_v3_large"}.get(name, name))(weights=None).features
    ours = built(name).eval()
    cut = theirs[: sum(len(getattr(ours, f"stage{i}")) for i in range(1, 5))].eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), cut.state_dict().values(), strict=True)))
    image = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(list(ours.maps(image))[-1], cut(image), rtol=0, atol=0)


@every_backbone
def test_an_architecture_may_only_choose_keyword_arguments_with_defaults(name):
    parameters = inspect.signature(BACKBONE[name]).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty for p in parameters)
    with pytest.raises(TypeError):
        built(name, colour=1)
    with pytest.raises(ValueError, match="width given 0"):
        built(name, width=0)
