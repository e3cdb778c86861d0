"""docs/own_network: a network from outside builds, is healthy as a space, and reads timm's weights."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from timm.models.convmixer import ConvMixer
from torch import nn

from config import compose, load_space
from space import NETWORKS, Arch, build, lint
from space.weights import SOURCES, read, take

FOLDER = Path(__file__).parents[2] / "docs" / "own_network"


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plug-in, which only these tests shall know."""
    for registry in (NETWORKS, SOURCES):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.syspath_prepend(FOLDER)
    importlib.import_module("convmixer")
    yield
    del sys.modules["convmixer"]


def published(*, kernel: int, depth: int = 2) -> nn.Module:
    """timm's network, small, with no parameter or statistic at its initial value."""
    torch.manual_seed(0)
    network = ConvMixer(dim=16, depth=depth, kernel_size=kernel, patch_size=7, num_classes=5).eval()
    for name, tensor in network.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
        elif tensor.is_floating_point():
            tensor.add_(torch.randn_like(tensor), alpha=0.1)
    return network


def test_its_space_is_healthy():
    overrides = ["+space=convmixer", "plugins=[convmixer]"]
    with compose(overrides, config_dir=FOLDER / "conf") as conf:
        space = load_space(conf, "convmixer", overrides)
    report = lint(space, classes=10, samples=8)
    assert report.healthy, report.text()
    assert report.shapes == {"(1, 10)": report.looked_at}


def test_its_architecture_trains_a_step():
    network = build(Arch.from_yaml(FOLDER / "conf" / "arch" / "convmixer_256_8.yaml"), 5, image_size=(63, 70), width=0.1)
    network(torch.randn(2, 3, 63, 70)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def test_timms_weights_give_timms_logits(tmp_path):
    theirs, file, image = published(kernel=5), tmp_path / "convmixer.pth", torch.randn(2, 3, 56, 70)
    torch.save(theirs.state_dict(), file)
    weights = read(file)
    assert (weights.source, weights.classes) == ("timm_convmixer", 5)
    with torch.no_grad():
        torch.testing.assert_close(weights.network()(image), theirs(image), atol=1e-5, rtol=1e-5)


def test_another_member_takes_what_fits(tmp_path):
    torch.save(published(kernel=3).state_dict(), tmp_path / "convmixer.pth")
    weights = read(tmp_path / "convmixer.pth")
    given = {**weights.arch.arch, "layer1": {"mixer": {"name": "depthwise", "kernel": 9}}, "layer2": {"mixer": "pool"}}
    found = take(build(Arch.make("convmixer", given), 5), weights)
    assert (found.part, found.fresh) == (1, {})
    assert set(found.converted) == {"layers.0.mixer.conv.weight", "layers.0.mixer.conv.bias"}


def test_what_is_no_convmixer_is_named(tmp_path):
    torch.save(published(kernel=3).state_dict() | {"blocks.0.2.weight": torch.zeros(1)}, tmp_path / "convmixer.pth")
    with pytest.raises(ValueError, match=r"timm_convmixer: 'blocks\.0\.2\.weight' is no entry"):
        read(tmp_path / "convmixer.pth")
