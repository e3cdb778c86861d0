"""What single mixers compute, beyond the contract that all of them keep."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from blocks.mixer import MIXER
from blocks.norm import NORM
from registry import Option

DIM = 16


def mixer(name: str, *, grid: tuple[int, int] = (7, 7), activation: str = "star_relu", **args: object) -> nn.Module:
    torch.manual_seed(0)
    return MIXER.build(Option(name, args), dim=DIM, grid=grid, activation=Option(activation)).eval()


def image(*size: int) -> torch.Tensor:
    return torch.randn(2, DIM, *size, generator=torch.Generator().manual_seed(1)).contiguous(memory_format=torch.channels_last)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("size", [3, 5, 7, 9])
def test_pooling_keeps_the_size_and_takes_the_input_out_again(size):
    pool = mixer("pool", size=size)
    assert pool(image(7, 7)).shape == (2, DIM, 7, 7)
    assert pool(torch.full((1, DIM, 7, 7), 1.5)).abs().max() < 1e-6
    assert not pool(image(1, 1)).any()


def test_one_group_is_a_norm_over_channels_where_there_is_one_position():
    x = image(1, 1)
    torch.testing.assert_close(NORM["groupnorm"](DIM)(x), NORM["layernorm"](DIM)(x))


def test_parameters_are_those_of_the_papers():
    assert count(mixer("separable_conv")) == 4 * DIM**2 + 98 * DIM + 2
    assert count(mixer("depthwise", kernel=3)) == 10 * DIM
    assert count(mixer("depthwise", kernel=3, bias="none")) == 9 * DIM
    assert count(mixer("window", bias="output", heads=2)) == 4 * DIM**2 + DIM
    assert count(mixer("spatial_fc")) == count(mixer("random")) == 49**2
    assert count(mixer("separable_attention")) == 3 * (DIM**2 + DIM) + DIM + 1
    assert count(mixer("channel_attention", bias="none")) == 4 * DIM**2 + 8
    assert count(mixer("inverted_residual", expansion=3)) == (2 + 3 + 3) * DIM**2 + (9 + 2) * 3 * DIM


def test_names_of_parameters():
    assert {name.split(".")[0] for name in mixer("separable_conv").state_dict()} == {"expand", "activation", "depthwise", "reduce"}
    assert set(mixer("window").state_dict()) == set(mixer("attention").state_dict())
    assert set(mixer("random").state_dict()) == set(mixer("spatial_fc").state_dict()) == {"weight"}


def same_weights(name: str, other: nn.Module, **args: object) -> nn.Module:
    module = mixer(name, **args)
    module.load_state_dict(other.state_dict())
    return module


@pytest.mark.parametrize("size", [7, 9])
def test_a_window_over_the_whole_map_is_attention(size):
    attention, x = mixer("attention", heads=2), image(7, 7)
    torch.testing.assert_close(same_weights("window", attention, heads=2, size=size)(x), attention(x))


@pytest.mark.parametrize("grid", [(5, 7), (8, 9), (4, 3), (1, 10), (8, 8)])
def test_windows_attend_to_their_own_positions_and_never_to_padding(grid):
    window, x, size = mixer("window", heads=2, size=4), image(*grid), 4
    alone = same_weights("attention", window, heads=2)
    expected = torch.empty_like(x)
    for top in range(0, grid[0], size):
        for left in range(0, grid[1], size):
            here = (..., slice(top, top + size), slice(left, left + size))
            expected[here] = alone(x[here])
    torch.testing.assert_close(window(x), expected)


def test_matrices_over_positions_multiply_every_channel_alike():
    for name in ("spatial_fc", "random"):
        module, x = mixer(name, grid=(3, 5)), image(3, 5)
        torch.testing.assert_close(module(x).flatten(2), x.flatten(2) @ module.weight.mT)


def test_random_rows_are_frozen_averages():
    weight = mixer("random").weight
    assert not weight.requires_grad
    torch.testing.assert_close(weight.sum(1), torch.ones(49))
    assert 1 <= (weight.amax(1) / weight.amin(1)).max() <= torch.e


def test_separable_convolution_equals_its_formula():
    module, x = mixer("separable_conv", activation="relu"), image(5, 4)
    wide = F.conv2d(x, module.expand.weight[..., None, None]).relu()
    wide = F.conv2d(wide, module.depthwise.weight, padding=3, groups=2 * DIM)
    torch.testing.assert_close(module(x), F.conv2d(wide, module.reduce.weight[..., None, None]))


def test_separable_attention_equals_its_formula():
    module, x = mixer("separable_attention"), image(3, 5)
    tokens = x.flatten(2).mT
    context = (module.score(tokens).softmax(1) * module.key(tokens)).sum(1, keepdim=True)
    expected = module.output(module.value(tokens).relu() * context)
    torch.testing.assert_close(module(x).flatten(2).mT, expected)


@pytest.mark.parametrize("heads", [1, 4])
def test_channel_attention_equals_its_formula(heads):
    module, x = mixer("channel_attention", heads=heads), image(3, 5)
    nn.init.uniform_(module.temperature, 0.5, 2)
    tokens = module.query_key_value(x.flatten(2).mT)  # (B, N, 3C)
    query, key, value = (part.mT.unflatten(1, (heads, -1)) for part in tokens.chunk(3, dim=2))  # (B, heads, C / heads, N)
    query, key = query / query.norm(dim=3, keepdim=True), key / key.norm(dim=3, keepdim=True)
    mixed = (query @ key.mT * module.temperature.view(-1, 1, 1)).softmax(3) @ value
    torch.testing.assert_close(module(x).flatten(2).mT, module.output(mixed.flatten(1, 2).mT))


def test_a_deformable_mixer_that_shifts_nothing_is_a_convolution():
    module, x = mixer("deformable", heads=2), image(5, 6)
    for parameter in module.offset.parameters():
        nn.init.zeros_(parameter)  # no shift; every weight sigmoid(0)
    plain = F.conv2d(x, module.conv.weight / 2, module.conv.bias, padding=1, groups=2)
    torch.testing.assert_close(module(x), module.output(plain.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_a_deformable_mixer_reads_where_it_is_told():
    module, x = mixer("deformable"), image(5, 6)
    nn.init.zeros_(module.offset.weight)
    with torch.no_grad():
        module.offset.bias.copy_(torch.cat([torch.tensor([0.0, 1.0]).repeat(9), torch.full((9,), 50.0)]))  # one column to the right
        plain = F.conv2d(F.pad(x, (0, 2, 1, 1)), module.conv.weight, module.conv.bias)
        torch.testing.assert_close(module(x), module.output(plain.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))


def test_an_inverted_residual_equals_its_formula():
    module, x = mixer("inverted_residual", heads=2), image(4, 5)
    tokens = x.flatten(2).mT
    query, key = module.query_key(tokens).chunk(2, dim=2)
    query, key, value = (t.unflatten(2, (2, -1)).transpose(1, 2) for t in (query, key, F.gelu(module.value(tokens))))
    mixed = (query @ key.mT / (DIM // 2) ** 0.5).softmax(3) @ value
    mixed = mixed.transpose(1, 2).flatten(2).mT.unflatten(2, (4, 5))
    mixed = mixed + F.silu(module.depthwise_norm(module.depthwise(mixed)))
    torch.testing.assert_close(module(x).flatten(2).mT, module.reduce(mixed.flatten(2).mT))


@pytest.mark.parametrize(
    ("name", "args", "reads"),
    [
        ("attention", {}, False),
        ("attention", {"kv": Option("conv", {"reduction": 2})}, True),
        ("attention", {"kv": Option("pool")}, True),
        ("separable_attention", {}, False),
        ("separable_attention", {"kv": Option("pool")}, True),
        ("channel_attention", {}, False),
        ("channel_attention", {"local": "depthwise"}, True),
    ],
)
def test_who_needs_the_layout_of_the_map(name, args, reads):
    module, x = mixer(name, **args), image(6, 6)
    assert module.reads_neighbours is reads
    if not reads:
        torch.testing.assert_close(module(x.reshape(2, DIM, 1, 36)), module(x).reshape(2, DIM, 1, 36))


def test_attention_compares_placed_tokens_and_mixes_the_others():
    attention, x, placed = mixer("attention", heads=2), image(3, 4), image(3, 4).flip(0)
    nn.init.normal_(attention.key_value.bias)
    torch.testing.assert_close(attention(x, x), attention(x))
    real = torch.ones(2, 12, dtype=torch.bool)
    real[1, 5:] = False
    rows = [tokens.flatten(2).mT for tokens in (placed, x)]  # (B, N, C)
    expected = attention.read(rows[0], rows[0], rows[1], mask=real).mT.unflatten(2, (3, 4))
    torch.testing.assert_close(attention(x, placed, real), expected)


def test_pooling_that_subtracts_nothing():
    x = image(5, 6)
    torch.testing.assert_close(mixer("pool", minus="nothing")(x) - x, mixer("pool")(x))
