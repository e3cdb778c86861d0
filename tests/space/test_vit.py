"""The vision transformer: tokens beside the map, what is classified, positions at other sizes."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from blocks.position.learned import resampled
from blocks.residual_block import ResidualBlock
from registry import Option
from space import Arch, build

CONF = Path(__file__).parents[2] / "conf"


def arch(name: str, *, layers: int = 12, **fields: Any) -> Arch:
    """A named architecture's first layers, with these fields changed."""
    plain = json.loads(json.dumps(Arch.from_yaml(CONF / "arch" / f"{name}.yaml").arch))
    kept = {key: value for key, value in plain.items() if not key.startswith("layer") or int(key[5:]) <= layers}
    return Arch.make("vit", {**kept, **fields})


def small(name: str, **fields: Any) -> nn.Module:
    torch.manual_seed(0)
    return build(arch(name, layers=2, **fields), 5, image_size=(64, 64), width=0.25).eval()


def layer(mixer: Any, ffn: Any = "mlp") -> dict[str, Any]:
    return {"mixer": mixer, "ffn": ffn}


ATTENTION = {"name": "attention", "heads": 3}


@pytest.mark.parametrize("mixer", ["pool", "depthwise", "separable_conv", Option("window", {"size": 2}), "spatial_fc"])
def test_layers_that_read_neighbours_leave_tokens_alone(mixer):
    """Beside two tokens the map becomes what it becomes by itself."""
    torch.manual_seed(0)
    choices = {"norm": Option("layernorm"), "activation": Option("gelu"), "join": Option("plain"), "grid": (4, 4), "drop_path": 0.0}
    option = Option(mixer) if isinstance(mixer, str) else mixer
    alone = ResidualBlock(8, option, Option("identity"), **choices).eval()
    beside = ResidualBlock(8, option, Option("identity"), tokens=2, **choices).eval()
    beside.load_state_dict(alone.state_dict())
    x, tokens = torch.randn(3, 8, 4, 4), torch.randn(3, 8, 1, 2)
    with torch.no_grad():
        out = beside(torch.cat([tokens, x.flatten(2).unsqueeze(2)], dim=3), (4, 4))
        torch.testing.assert_close(out[..., 2:].unflatten(3, (4, 4)).squeeze(2), alone(x))
    assert torch.equal(out[..., :2], tokens)
    assert not torch.equal(out[..., 2:], x.flatten(2).unsqueeze(2))


def test_an_ffn_that_reads_neighbours_leaves_tokens_alone_too():
    given = arch("vit_tiny", layers=2, layer1=layer(ATTENTION, "mix"), layer2=layer(ATTENTION))
    model = build(given, 5, image_size=(64, 64), width=0.25).eval()
    assert model(torch.randn(2, 3, 64, 80)).shape == (2, 5)
    block = model.layers[0]
    x = torch.randn(1, 48, 1, 17)
    with torch.no_grad():
        mixed = block.mixer_join(x, block.mixer(block.mixer_norm(x)))
        assert torch.equal(block(x, (4, 4))[..., :1], mixed[..., :1])


def test_attention_without_tokens_is_attention_of_the_map():
    """A row of positions and a map of them are the same thing to it."""
    model = small("deit_tiny", readout="mean")
    x = torch.randn(2, 48, 4, 4)
    with torch.no_grad():
        row = model.layers[0](x.flatten(2).unsqueeze(2))
        torch.testing.assert_close(row.unflatten(3, (4, 4)).squeeze(2), model.layers[0](x))


def test_readout_mean():
    model = small("deit_tiny", readout="mean")
    image = torch.randn(2, 3, 64, 64)
    assert not [name for name, _ in model.named_parameters() if "token" in name]
    with torch.no_grad():
        features = model.features(image)
        assert features.shape == (2, 48, 4, 4)
        torch.testing.assert_close(model(image), model.classifiers[0](model.norm(features).mean((2, 3))))


def test_readout_class():
    model = small("deit_tiny")
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        features = model.features(image)
        assert features.shape == (2, 48, 1, 17)
        torch.testing.assert_close(model(image), model.classifiers[0](model.norm(features)[:, :, 0, 0]))
    assert model.tokens.shape == model.token_positions.shape == (1, 48)
    assert small("deit_tiny", position="identity").token_positions is None


def test_readout_distilled_is_the_mean_of_two_classifiers():
    model = small("deit_tiny_distilled")
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        x = model.norm(model.features(image))
        both = [model.classifiers[i](x[:, :, 0, i]) for i in (0, 1)]
        torch.testing.assert_close(model(image), (both[0] + both[1]) / 2)
    assert not torch.equal(both[0], both[1])


@pytest.mark.parametrize("readout", ["class", "distilled"])
@pytest.mark.parametrize("mixers", [[ATTENTION, "pool"], [ATTENTION, "depthwise", "identity"], ["identity", "identity"], ["pool"]])
def test_a_token_that_would_not_see_the_image_is_refused(readout, mixers):
    layers = {f"layer{n}": layer(mixer) for n, mixer in enumerate(mixers, 1)}
    given = arch("deit_tiny", layers=0, readout=readout, **layers)
    with pytest.raises(ValueError, match=rf"readout: given '{readout}', but .*; allowed: readout mean, or attention"):
        build(given, 5)
    by_mean = Arch.make("vit", {**given.arch, "readout": "mean"})
    assert build(by_mean, 5, width=0.25, image_size=(64, 64))(torch.randn(1, 3, 64, 64)).shape == (1, 5)


def test_an_ffn_that_no_token_would_see_is_refused():
    attends, mixes = layer(ATTENTION), {**layer(ATTENTION), "ffn": "mix"}
    for layers in ([attends, mixes], [mixes, layer("identity")]):
        given = arch("deit_tiny", layers=0, **{f"layer{n}": one for n, one in enumerate(layers, 1)})
        with pytest.raises(ValueError, match="readout: given 'class'"):
            build(given, 5)
    build(arch("deit_tiny", layers=0, layer1=mixes, layer2=attends), 5, width=0.25)


@pytest.mark.parametrize("mixers", [["pool", ATTENTION], ["pool", ATTENTION, "identity"]])
def test_a_token_behind_attention_sees_the_image(mixers):
    layers = {f"layer{n}": layer(mixer) for n, mixer in enumerate(mixers, 1)}
    model = build(arch("deit_tiny", layers=0, **layers), 5, image_size=(64, 64), width=0.25).eval()
    with torch.no_grad():
        assert not torch.allclose(model(torch.zeros(1, 3, 64, 64)), model(torch.ones(1, 3, 64, 64)))


def test_one_layer_and_rates_of_stochastic_depth():
    with torch.device("meta"):
        one, all_of_them = build(arch("deit_tiny", layers=1), 5, drop_path=0.1), build(arch("deit_tiny"), 5, drop_path=0.1)
    assert one.layers[0].drop_path.drop_prob == 0
    assert [block.drop_path.drop_prob for block in all_of_them.layers] == pytest.approx([i / 110 for i in range(12)], abs=1e-7)


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (33, 50), (224, 31)])
@pytest.mark.parametrize("name", ["vit_tiny", "deit_tiny_distilled"])
def test_images_of_other_sizes(name, size):
    """Built for 64 x 64: the position table is resampled, and what is no whole patch is cut."""
    model = small(name)
    with torch.no_grad():
        logits = model(torch.randn(2, 3, *size))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_a_position_table_keeps_its_own_grid_and_constants():
    table = torch.randn(1, 4, 6, 5)
    assert resampled(table, (6, 5)) is table
    assert resampled(table, (3, 9)).shape == (1, 4, 3, 9)
    torch.testing.assert_close(resampled(torch.full((1, 4, 6, 5), 2.0), (7, 3)), torch.full((1, 4, 7, 3), 2.0))


def test_a_patch_of_no_pixels_is_refused():
    with pytest.raises(ValueError, match="patch: given 0; allowed: 1 pixel or more"):
        Arch.make("vit", {**arch("vit_tiny").arch, "patch": 0})


def test_an_image_smaller_than_a_patch_is_refused():
    with pytest.raises(ValueError, match=r"images of \(15, 64\) pixels are smaller than a patch of 16"):
        build(arch("vit_tiny"), 5, image_size=(15, 64))
