"""Checkpoint files: wrappers and formats that are read, and what is said of files that are not."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from space import Arch, build
from space.weights import SOURCES, read

SIZE = 32


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    """A small ViT under timm's names: 64 channels, two layers, 2x2 patches."""
    torch.manual_seed(0)
    linears = {"attn.qkv": (192, 64), "attn.proj": (64, 64), "mlp.fc1": (256, 64), "mlp.fc2": (64, 256)}
    shapes = {"cls_token": (1, 1, 64), "pos_embed": (1, 5, 64), "patch_embed.proj.weight": (64, 3, 16, 16)}
    shapes |= {"patch_embed.proj.bias": (64,), "head.weight": (7, 64), "head.bias": (7,)}
    for place in ("blocks.0.", "blocks.1."):
        shapes |= {f"{place}{name}.weight": shape for name, shape in linears.items()}
        shapes |= {f"{place}{name}.bias": shape[:1] for name, shape in linears.items()}
        shapes |= {f"{place}{norm}.{own}": (64,) for norm in ("norm1", "norm2") for own in ("weight", "bias")}
    shapes |= {"norm.weight": (64,), "norm.bias": (64,)}
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def saved(content: object, path: Path, **how: bool) -> Path:
    torch.save(content, path, **how)
    return path


def test_a_checkpoint_becomes_an_architecture_and_its_weights(state, tmp_path):
    weights = read(saved(state, tmp_path / "vit.pth"))
    layer = {"mixer": {"name": "attention", "heads": 1}}
    assert weights.arch == Arch.make("vit", {"dim": 64, "layer1": layer, "layer2": layer})
    assert (weights.classes, weights.image_size, weights.width, weights.missing) == (7, (SIZE, SIZE), 1.0, ())
    assert weights.network() is weights.network()
    assert not weights.network().training


@pytest.mark.parametrize("wrapper", ["model", "state_dict", "model_ema", "state_dict_ema"])
def test_wrappers_are_taken_off(wrapper, state, tmp_path):
    beside = {"epoch": 3, "args": argparse.Namespace(lr=0.1), "optimizer": {"state": {}}, "best_ap": np.float64(0.3)}
    for prefix in ("", "module.", "_orig_mod.", "module._orig_mod."):
        inner = {f"{prefix}{name}": tensor for name, tensor in state.items()}
        weights = read(saved({**beside, wrapper: inner}, tmp_path / "checkpoint.pth"))
        assert torch.equal(weights.state["norm.weight"], state["norm.weight"])


def test_a_moving_average_goes_first(state, tmp_path):
    average = {name: tensor + 1 for name, tensor in state.items()}
    weights = read(saved({"state_dict": state, "state_dict_ema": average}, tmp_path / "checkpoint.pth"))
    assert torch.equal(weights.state["norm.weight"], average["norm.weight"])


def test_formats(state, tmp_path):
    paths = [saved(state, tmp_path / "old.bin", _use_new_zipfile_serialization=False), tmp_path / "new.safetensors"]
    save_file(state, paths[1])
    paths.append(saved({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.pt"))
    for path in paths:
        torch.testing.assert_close(read(path).network().norm.weight.data, state["norm.weight"], atol=2e-3, rtol=0)


def test_reading_leaves_the_random_numbers_alone(state, tmp_path):
    path = saved(state, tmp_path / "vit.pth")
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    read(path).network()
    assert torch.equal(torch.rand(3), expected)


def test_no_such_file(tmp_path):
    with pytest.raises(ValueError, match=r"none\.pth: no such file"):
        read(tmp_path / "none.pth")
    with pytest.raises(ValueError, match="no such file"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors", "empty.pth"])
def test_not_readable(name, tmp_path):
    (tmp_path / name).write_bytes(b"" if "empty" in name else b"not a checkpoint at all, but a text")
    with pytest.raises(ValueError, match=f"{name}: not readable as a checkpoint"):
        read(tmp_path / name)


def test_more_than_tensors_is_not_executed(tmp_path):
    with pytest.raises(ValueError, match=r"not readable as a checkpoint.*save its state dict alone"):
        read(saved({"model": build}, tmp_path / "whole.pth"))


def test_no_state_dict(tmp_path):
    with pytest.raises(ValueError, match="holds a list; allowed: a state dict"):
        read(saved([torch.zeros(1)], tmp_path / "list.pth"))


def test_of_no_known_source(tmp_path):
    state = {f"layer{i}.weight": torch.zeros(1) for i in range(5)}
    known = ", ".join(SOURCES)
    shown = "'layer0.weight', 'layer1.weight', 'layer2.weight'"
    with pytest.raises(ValueError, match=f"of no known source; known: {known}; it begins with the entries {shown}$"):
        read(saved({"state_dict": state}, tmp_path / "resnet.pth"))
    with pytest.raises(ValueError, match=r"entries \(none\)"):
        read(saved({}, tmp_path / "resnet.pth"))


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        (
            "blocks.1.mlp.fc2.weight",
            torch.zeros(64, 128),
            r"'layers\.1\.ffn\.reduce\.weight' \(our name\) is \(64, 128\), but .* \(64, 256\)",
        ),
        ("blocks.1.norm1.bias", None, r"'layers\.1\.mixer_norm\.bias' \(our name\) is missing"),
        ("blocks.0.mlp.fc1.weight", None, r"'layers\.0\.ffn\.expand\.weight' \(our name\) is missing"),
        (
            "blocks.0.attn.qkv.weight",
            torch.zeros(100, 64),
            r"'layers\.0\.mixer\.qkv\.weight' \(our name\) is \(100, 64\), not queries",
        ),
        ("patch_embed.proj.weight", torch.zeros(64, 3, 16, 8), r"not a convolution with a square kernel"),
        ("pos_embed", torch.zeros(1, 7, 64), r"'pos_embed' is \(1, 7, 64\)"),
        ("norm_pre.weight", torch.zeros(64), r"'norm_pre\.weight' is not an entry that such a checkpoint has"),
        ("blocks.0.ls1.gamma", torch.zeros(64), r"'layers\.0\.ffn_join\.scale' \(our name\) is missing"),
        ("head_dist.weight", torch.zeros(7, 64), r"'classifiers\.1\.weight' \(our name\) has no place"),
    ],
)
def test_a_checkpoint_that_is_not_what_its_names_promise(name, tensor, message, state, tmp_path):
    changed = {**state, name: tensor} if tensor is not None else {at: value for at, value in state.items() if at != name}
    with pytest.raises(ValueError, match=rf"vit\.pth: timm_vit: .*{message}"):
        read(saved(changed, tmp_path / "vit.pth"))
