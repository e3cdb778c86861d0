"""The contracts of the slots, held against every registered option."""

import inspect

import pytest
import torch
from torch import nn

from blocks.activation import ACTIVATION
from blocks.conv import CONV
from blocks.embed import EMBED
from blocks.ffn import FFN
from blocks.fusion import FUSION
from blocks.head import HEAD
from blocks.join import JOIN
from blocks.kv import KV
from blocks.mixer import MIXER
from blocks.norm import NORM
from blocks.position import POSITION
from registry import Option, Slot

DIM = 24
SIZES = [(7, 9), (5, 4), (1, 3)]
GELU = Option("gelu")
CONTEXT = {
    "activation": {"inplace": False},
    "conv": {"channels": 8, "dim": DIM, "stride": 2, "norm": Option("batchnorm"), "activation": Option("silu")},
    "mixer": {"dim": DIM, "grid": (7, 9), "activation": GELU},
    "kv": {"dim": DIM},
    "ffn": {"dim": DIM, "activation": GELU},
    "norm": {"channels": DIM},
    "embed": {"channels": 5, "dim": DIM, "kernel": 3, "stride": 2, "padding": 1},
    "fusion": {"count": 3, "width": DIM},
    "join": {"dim": DIM},
    "position": {"dim": DIM, "grid": (7, 9)},
    "head": {"dim": DIM, "classes": 4, "norm": Option("groupnorm")},
}
GRID_ONLY = {"spatial_fc", "random"}  # mixers that take maps of the context's grid alone
EVERY = (ACTIVATION, CONV, MIXER, KV, FFN, NORM, EMBED, FUSION, JOIN, POSITION, HEAD)
SLOTS: dict[str, Slot] = {slot.kind: slot for slot in EVERY}
OPTIONS = [(kind, Option(name)) for kind, slot in SLOTS.items() for name in slot] + [
    ("mixer", Option("attention", {"heads": 3, "kv": Option("pool", {"size": 2}), "output": "identity"})),
    ("mixer", Option("attention", {"heads": 2, "kv": Option("pool_conv", {"size": 3})})),
    ("mixer", Option("pool", {"size": 5})),
    ("mixer", Option("pool", {"minus": "nothing"})),
    ("mixer", Option("depthwise", {"kernel": 5, "bias": "none"})),
    ("mixer", Option("attention", {"heads": 3, "bias": "output"})),
    ("mixer", Option("window", {"heads": 2, "size": 4, "bias": "none"})),
    ("mixer", Option("window", {"size": 1})),
    ("mixer", Option("separable_conv", {"kernel": 3, "expansion": 1})),
    ("mixer", Option("separable_attention", {"kv": Option("pool_conv", {"size": 3}), "output": "identity"})),
    ("mixer", Option("channel_attention", {"heads": 1, "local": "depthwise", "bias": "output"})),
    ("mixer", Option("deformable", {"heads": 3, "kernel": 5})),
    ("mixer", Option("inverted_residual", {"heads": 2, "size": 3, "expansion": 3, "kernel": 5})),
    ("conv", Option("dense", {"kernel": 1, "groups": 4})),
    ("conv", Option("depthwise", {"kernels": (3, 5, 7)})),
    ("conv", Option("separable", {"kernels": (5, 3)})),
    ("conv", Option("ghost", {"kernel": 5})),
    ("norm", Option("batchnorm", {"eps": 1e-3, "momentum": 0.03})),
    ("ffn", Option("mix", {"ratio": 2, "kernels": (3, 5), "norm": Option("batchnorm")})),
    ("ffn", Option("mix", {"ratio": 1, "kernels": (3, 5, 7, 1, 3), "norm": Option("groupnorm")})),
]
IDS = [f"{kind}-{option.name}-{i}" for i, (kind, option) in enumerate(OPTIONS)]
every_option = pytest.mark.parametrize(("kind", "option"), OPTIONS, ids=IDS)


def built(kind: str, option: Option) -> nn.Module:
    torch.manual_seed(0)
    return SLOTS[kind].build(option, **CONTEXT[kind])


def given(kind: str, batch: int, size: tuple[int, int]) -> tuple[torch.Tensor | list[torch.Tensor], ...]:
    channels = CONTEXT[kind].get("channels", DIM)
    maps = [torch.randn(batch, channels, *size).contiguous(memory_format=torch.channels_last) for _ in range(3)]
    return (maps,) if kind == "fusion" else (maps[0], maps[1]) if kind == "join" else (maps[0],)


def check_shape(kind: str, batch: int, size: tuple[int, int], output: torch.Tensor) -> None:
    if kind == "kv":
        assert (output.ndim, output.shape[0], output.shape[2]) == (3, batch, DIM)
        return
    if kind == "head":
        assert output.shape == (batch, CONTEXT["head"]["classes"])
        return
    expected = tuple((side - 1) // 2 + 1 for side in size) if kind in ("embed", "conv") else size
    assert output.shape == (batch, DIM, *expected)
    assert output.is_contiguous(memory_format=torch.channels_last)


@every_option
@pytest.mark.parametrize("size", SIZES)
def test_one_image_in_eval_mode(kind, option, size):
    if option.name in GRID_ONLY and size != CONTEXT["mixer"]["grid"]:
        with pytest.raises(ValueError, match=rf"mixer {option.name}: given a map of \({size[0]}, {size[1]}\); allowed: \(7, 9\)"):
            built(kind, option)(*given(kind, 1, size))
        return
    module, x = built(kind, option).eval(), given(kind, 1, size)
    with torch.no_grad():
        output, again = module(*x), module(*x)
    check_shape(kind, 1, size, output)
    assert output.isfinite().all()
    assert torch.equal(output, again)


@every_option
def test_training_gives_every_parameter_a_gradient(kind, option):
    module, x = built(kind, option).train(), given(kind, 2, SIZES[0])
    output = module(*x)
    check_shape(kind, 2, SIZES[0], output)
    learned = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if not learned:
        return
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in learned.items():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert name.endswith("bias") or parameter.grad.any(), name  # a norm or the softmax may take a bias out again


@every_option
def test_maps_in_any_memory_format_give_the_same(kind, option):
    module, x = built(kind, option).eval(), given(kind, 2, SIZES[0])
    plain = ([m.contiguous() for m in x[0]],) if kind == "fusion" else [m.contiguous() for m in x]
    with torch.no_grad():
        torch.testing.assert_close(module(*x), module(*plain))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, slot in SLOTS.items() for name in slot])
def test_an_unknown_argument_is_refused(kind, name):
    with pytest.raises(TypeError):
        SLOTS[kind].build(Option(name, {"colour": 1}), **CONTEXT[kind])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, slot in SLOTS.items() for name in slot])
def test_an_architecture_may_only_choose_keyword_arguments_with_defaults(kind, name):
    parameters = inspect.signature(SLOTS[kind][name]).parameters.values()
    assert {p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD} <= set(CONTEXT[kind])
    assert all(p.default is not p.empty for p in SLOTS[kind].arguments(name).values())


@pytest.mark.parametrize("name", list(MIXER))
def test_a_mixer_says_how_its_block_wraps_it(name):
    assert MIXER[name].norm in NORM
    assert MIXER[name].join.name in JOIN
    assert isinstance(built("mixer", Option(name)).reads_neighbours, bool)


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("mixer", Option("attention", {"heads": 5}), "mixer attention: 24 channels do not divide into 5 heads"),
        ("mixer", Option("window", {"heads": 7}), "mixer window: 24 channels do not divide into 7 heads"),
        ("mixer", Option("window", {"size": 0}), "size is 0, but must be at least 1"),
        ("mixer", Option("channel_attention", {"heads": 5}), "24 channels do not divide into 5 heads"),
        ("mixer", Option("deformable", {"heads": 0}), "24 channels do not divide into 0 heads"),
        ("mixer", Option("deformable", {"kernel": 2}), "kernel is 2, but must be odd"),
        ("mixer", Option("inverted_residual", {"kernel": 4}), "kernel is 4, but must be odd"),
        ("mixer", Option("inverted_residual", {"heads": 5}), "24 channels do not divide into 5 heads"),
        ("mixer", Option("inverted_residual", {"expansion": 0}), "expansion is 0, but must be at least 1"),
        ("mixer", Option("inverted_residual", {"size": 0}), "size is 0, but must be at least 1"),
        ("mixer", Option("separable_conv", {"expansion": 0}), "expansion is 0, but must be at least 1"),
        ("mixer", Option("separable_conv", {"kernel": 6}), "kernel is 6, but must be odd"),
        ("mixer", Option("pool", {"size": 2}), "size is 2, but must be odd"),
        ("mixer", Option("pool", {"size": 4}), "size is 4, but must be odd"),
        ("mixer", Option("depthwise", {"kernel": 2}), "kernel is 2, but must be odd"),
        ("ffn", Option("mix", {"kernels": (3, 4)}), r"kernels are \[3, 4\]"),
        ("ffn", Option("mix", {"ratio": 0}), "ffn mix: ratio is 0, but must be at least 1"),
        ("ffn", Option("mlp", {"ratio": 0}), "ffn mlp: ratio is 0, but must be at least 1"),
        ("conv", Option("dense", {"kernel": 2}), "conv dense: kernel is 2, but must be odd"),
        ("conv", Option("dense", {"groups": 3}), "conv dense: 8 and 24 channels do not divide into 3 groups"),
        ("conv", Option("dense", {"groups": 0}), "do not divide into 0 groups"),
        ("conv", Option("depthwise", {"kernels": (3, 4)}), r"conv depthwise: kernels are \[3, 4\], but must be one or more odd"),
        ("conv", Option("depthwise", {"kernels": ()}), r"conv depthwise: kernels are \[\]"),
        ("conv", Option("depthwise", {"kernels": (3, 5, 7, 9, 11)}), "8 channels in 5 shares of 2 leave 0 for the last kernel"),
        ("conv", Option("separable", {"kernels": (6,)}), r"kernels are \[6\]"),
        ("conv", Option("ghost", {"kernel": 4}), "conv ghost: kernel is 4, but must be odd"),
        ("kv", Option("conv", {"reduction": 0}), "reduction is 0"),
        ("kv", Option("pool", {"size": 0}), "kv pool: size is 0"),
        ("kv", Option("pool_conv", {"size": 0}), "kv pool_conv: size is 0"),
    ],
)
def test_impossible_arguments_are_named(kind, option, message):
    with pytest.raises(ValueError, match=message):
        built(kind, option)


def test_pooling_leaves_the_padding_out_of_the_mean():
    x = torch.ones(1, DIM, 4, 4)
    assert built("mixer", Option("pool")).forward(x).abs().max() == 0
    assert SLOTS["embed"].build(Option("pool"), channels=1, dim=1, kernel=3, stride=2).pool(x[:, :1]).min() == 1


def test_pooling_and_projection_of_the_pool_embed_commute():
    embed = SLOTS["embed"].build(Option("pool"), channels=3, dim=DIM, kernel=7, stride=4)
    x = torch.randn(1, 3, 33, 46)
    projected = embed.project(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(embed(x), embed.norm(embed.pool(projected)), atol=1e-5, rtol=0)


def test_attention_equals_its_formula():
    attention = built("mixer", Option("attention", {"heads": 2}))
    x = torch.randn(2, DIM, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, N, C)
    key, value = attention.key_value(tokens).chunk(2, dim=-1)
    heads = [t.unflatten(2, (2, DIM // 2)).transpose(1, 2) for t in (attention.query(tokens), key, value)]
    mixed = (heads[0] @ heads[1].mT / (DIM // 2) ** 0.5).softmax(-1) @ heads[2]
    expected = attention.output(mixed.transpose(1, 2).flatten(2)).mT.unflatten(2, (3, 4))
    torch.testing.assert_close(attention(x), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"), [("depthwise", "8 channels cannot become 21"), ("ghost", "21 channels do not divide")]
)
def test_channels_that_a_convolution_cannot_make(name, message):
    with pytest.raises(ValueError, match=message):
        SLOTS["conv"].build(Option(name), channels=8, dim=21)


@pytest.mark.parametrize("name", list(CONV))
@pytest.mark.parametrize("stride", [1, 2, 4, 8])
def test_a_convolution_divides_the_map_by_its_stride(name, stride):
    module = SLOTS["conv"].build(Option(name), channels=4, dim=8, stride=stride).eval()
    with torch.no_grad():
        assert module(torch.randn(1, 4, 16, 33)).shape == (1, 8, 16 // stride, -(-33 // stride))


@pytest.mark.parametrize("name", list(CONV))
def test_every_norm_of_a_convolution_is_the_networks(name):
    norm = Option("batchnorm", {"eps": 1e-3, "momentum": 0.03})
    module = SLOTS["conv"].build(Option(name), **{**CONTEXT["conv"], "norm": norm})
    found = [(layer.eps, layer.momentum) for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert found
    assert set(found) == {(1e-3, 0.03)}


@pytest.mark.parametrize("name", list(ACTIVATION))
def test_an_activation_in_place_gives_the_same(name):
    x = torch.randn(4, 5)
    inplace, plain = (ACTIVATION.build(Option(name), inplace=inplace) for inplace in (True, False))
    torch.testing.assert_close(inplace(x.clone()), plain(x), rtol=0, atol=0)
