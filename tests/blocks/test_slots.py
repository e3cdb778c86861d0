"""The contracts of the slots, held against every registered option."""

import inspect

import pytest
import torch
from torch import nn

from blocks.embed import EMBED
from blocks.ffn import FFN
from blocks.fusion import FUSION
from blocks.kv import KV
from blocks.mixer import MIXER
from blocks.norm import NORM
from registry import Option, Slot

DIM = 12
SIZES = [(7, 9), (5, 4), (1, 3)]
CONTEXT = {"mixer": (DIM,), "kv": (DIM,), "ffn": (DIM,), "norm": (DIM,), "embed": (5, DIM, 3, 2), "fusion": (3, DIM)}
SLOTS: dict[str, Slot] = {slot.kind: slot for slot in (MIXER, KV, FFN, NORM, EMBED, FUSION)}
OPTIONS = [(kind, Option(name)) for kind, slot in SLOTS.items() for name in slot] + [
    ("mixer", Option("attention", {"heads": 3, "kv": Option("pool", {"size": 2}), "output": "identity"})),
    ("mixer", Option("attention", {"heads": 2, "kv": Option("pool_conv", {"size": 3})})),
    ("mixer", Option("pool", {"size": 5})),
    ("mixer", Option("depthwise", {"kernel": 5})),
    ("ffn", Option("mix", {"ratio": 2, "kernels": (3, 5), "norm": Option("batchnorm")})),
    ("ffn", Option("mix", {"ratio": 1, "kernels": (3, 5, 7, 1, 3), "norm": Option("groupnorm")})),
]
IDS = [f"{kind}-{option.name}-{i}" for i, (kind, option) in enumerate(OPTIONS)]
every_option = pytest.mark.parametrize(("kind", "option"), OPTIONS, ids=IDS)


def built(kind: str, option: Option) -> nn.Module:
    torch.manual_seed(0)
    return SLOTS[kind].build(option, *CONTEXT[kind])


def given(kind: str, batch: int, size: tuple[int, int]) -> torch.Tensor | list[torch.Tensor]:
    channels = 5 if kind == "embed" else DIM
    maps = [torch.randn(batch, channels, *size).contiguous(memory_format=torch.channels_last) for _ in range(3)]
    return maps if kind == "fusion" else maps[0]


def check_shape(kind: str, batch: int, size: tuple[int, int], output: torch.Tensor) -> None:
    if kind == "kv":
        assert (output.ndim, output.shape[0], output.shape[2]) == (3, batch, DIM)
        return
    expected = tuple((side - 1) // 2 + 1 for side in size) if kind == "embed" else size
    assert output.shape == (batch, DIM, *expected)
    assert output.is_contiguous(memory_format=torch.channels_last)


@every_option
@pytest.mark.parametrize("size", SIZES)
def test_one_image_in_eval_mode(kind, option, size):
    module, x = built(kind, option).eval(), given(kind, 1, size)
    with torch.no_grad():
        output, again = module(x), module(x)
    check_shape(kind, 1, size, output)
    assert output.isfinite().all()
    assert torch.equal(output, again)


@every_option
def test_training_gives_every_parameter_a_gradient(kind, option):
    module, x = built(kind, option).train(), given(kind, 2, SIZES[0])
    output = module(x)
    check_shape(kind, 2, SIZES[0], output)
    if not list(module.parameters()):
        return
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert name.endswith("bias") or parameter.grad.any(), name  # a norm or the softmax may take a bias out again


@every_option
def test_maps_in_any_memory_format_give_the_same(kind, option):
    module, x = built(kind, option).eval(), given(kind, 2, SIZES[0])
    plain = [m.contiguous() for m in x] if kind == "fusion" else x.contiguous()
    with torch.no_grad():
        torch.testing.assert_close(module(x), module(plain))


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, slot in SLOTS.items() for name in slot])
def test_an_unknown_argument_is_refused(kind, name):
    with pytest.raises(TypeError):
        SLOTS[kind].build(Option(name, {"colour": 1}), *CONTEXT[kind])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, slot in SLOTS.items() for name in slot])
def test_an_architecture_may_only_choose_keyword_arguments_with_defaults(kind, name):
    parameters = inspect.signature(SLOTS[kind][name]).parameters.values()
    assert len([p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]) == len(CONTEXT[kind])
    assert all(p.default is not p.empty for p in SLOTS[kind].arguments(name).values())


@pytest.mark.parametrize("name", list(MIXER))
def test_a_mixer_says_how_its_block_wraps_it(name):
    assert MIXER[name].norm in NORM
    assert MIXER[name].layer_scale is None or MIXER[name].layer_scale > 0


@pytest.mark.parametrize(
    ("kind", "option", "message"),
    [
        ("mixer", Option("attention", {"heads": 5}), "12 channels do not divide into 5 heads"),
        ("mixer", Option("pool", {"size": 4}), "size is 4, but must be odd"),
        ("mixer", Option("depthwise", {"kernel": 2}), "kernel is 2, but must be odd"),
        ("ffn", Option("mix", {"kernels": (3, 4)}), r"kernels are \[3, 4\]"),
        ("kv", Option("conv", {"reduction": 0}), "reduction is 0"),
    ],
)
def test_impossible_arguments_are_named(kind, option, message):
    with pytest.raises(ValueError, match=message):
        built(kind, option)


def test_pooling_leaves_the_padding_out_of_the_mean():
    x = torch.ones(1, DIM, 4, 4)
    assert built("mixer", Option("pool")).forward(x).abs().max() == 0
    assert SLOTS["embed"].build(Option("pool"), 1, 1, 3, 2).pool(x[:, :1]).min() == 1


def test_pooling_and_projection_of_the_pool_embed_commute():
    embed = SLOTS["embed"].build(Option("pool"), 3, DIM, 7, 4)
    x = torch.randn(1, 3, 33, 46)
    projected = embed.project(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(embed(x), embed.norm(embed.pool(projected)), atol=1e-5, rtol=0)


def test_attention_equals_its_formula():
    attention = built("mixer", Option("attention", {"heads": 2}))
    x = torch.randn(2, DIM, 3, 4)
    tokens = x.flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, N, C)
    key, value = attention.key_value(tokens).chunk(2, dim=-1)
    heads = [t.unflatten(2, (2, 6)).transpose(1, 2) for t in (attention.query(tokens), key, value)]
    mixed = (heads[0] @ heads[1].mT / 6**0.5).softmax(-1) @ heads[2]
    expected = attention.output(mixed.transpose(1, 2).flatten(2)).mT.unflatten(2, (3, 4))
    torch.testing.assert_close(attention(x), expected, atol=1e-6, rtol=1e-5)
