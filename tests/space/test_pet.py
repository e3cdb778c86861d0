"""The PET network: the form of its predictions, padding, which queries are decoded; members of its space built and run."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from named import arch, pet_space
from torch import nn

from registry import Option
from space import Arch, build, build_measured
from space.arch import structure
from space.networks._pet_encoder import EncoderLayer, LayerArch, as_maps
from space.networks.pet import REACH, Pet, PetOutput

NAMED = ["pet", "team_enc2", "team_pet_final", "pet_quarter_windows", "pet_depthwise", "pet_depthwise_attention", "pet_pool"]
QUERY = torch.tensor([0.0, -torch.inf])


def pet_with(changes: dict[str, Any], name: str = "pet") -> Arch:
    """A named architecture with the fields at these dotted places set."""
    plain = json.loads(json.dumps(arch(name).arch))
    for place, value in changes.items():
        *way, field = place.split(".")
        part = plain
        for key in way:
            part = part[key]
        part[field] = value
    return Arch.make("pet", plain)


def small(given: Arch, side: int = 256) -> Pet:
    """The network at an eighth of the channels, in evaluation; its norms have seen some noise, so that features differ."""
    torch.manual_seed(0)
    model = build(given, 1, image_size=(side, side), width=0.125)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return model.eval()


def images(*size: int, count: int = 1, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def said(model: Pet, image: torch.Tensor, route: str = "learned") -> PetOutput:
    model.route = route
    return model(image)


def halve(model: Pet, image: torch.Tensor) -> None:
    """Move the splitter so that about half of the patches of `image` are dense."""
    split = said(model, image).split
    logits = split[~split.isnan()].logit().sort().values
    with torch.no_grad():
        model.splitter.bias -= logits[len(logits) // 2 - 1 : len(logits) // 2 + 1].mean()


def decoded_rows(rows: torch.Tensor) -> torch.Tensor:
    return rows[..., 1] > -torch.inf


def windows_decoded(rows: torch.Tensor, grid: tuple[int, int], window: tuple[int, int]) -> torch.Tensor:
    """(h, w): whether the queries of a window were decoded; either all of one are or none."""
    cells = decoded_rows(rows).view(grid[0] // window[0], window[0], grid[1] // window[1], window[1])
    found = cells.float().mean((1, 3))
    assert ((found == 0) | (found == 1)).all()
    return found == 1


@pytest.mark.parametrize(
    ("size", "padded"), [((256, 256), (256, 256)), ((300, 411), (512, 512)), ((16, 16), (256, 256)), ((257, 200), (512, 256))]
)
@pytest.mark.parametrize("mode", [True, False])
def test_rows_are_the_queries_of_the_padded_map(size, padded, mode):
    model = small(arch("pet_pool")).train(mode)
    sparse, dense, split = model(images(*size, count=2))
    height, width = padded
    assert sparse.shape == (2, height * width // 64, 4)
    assert dense.shape == (2, height * width // 16, 4)
    assert split.shape == (2, height // 64, width // 128)
    assert not sparse.isnan().any()
    assert not dense.isnan().any()


def test_the_proxy_pads_to_whole_patches():
    model = small(arch("pet"), 128)
    assert model.encoder.windows == [(16, 16), (16, 16), (8, 16), (8, 16)]
    assert said(model, images(100, 130)).split.shape == (1, 2, 2)
    assert said(model, images(128, 128)).sparse.shape == (1, 256, 4)


def test_images_that_need_no_smaller_padding_are_padded_as_published():
    for side in (193, 224, 256, 700):
        assert build(arch("pet_pool"), 1, image_size=(side, side), width=0.125).unit == (256, 256)


def test_points_lie_within_reach_of_their_queries():
    model = small(arch("team_pet_final"))
    with torch.no_grad():
        for head in (model.sparse_head, model.dense_head):
            nn.init.zeros_(head.points[4].weight)
            head.points[4].bias.copy_(torch.tensor([0.0, 100.0]))
    sparse, dense, _ = said(model, images(256, 256), "both")
    for rows, stride in ((sparse, 8), (dense, 4)):
        y, x = rows[0, :, 2:].view(256 // stride, 256 // stride, 2).unbind(2)
        places = torch.arange(stride // 2, 256, stride).float()
        assert torch.equal(y, places[:, None].expand_as(y))
        torch.testing.assert_close(x, (places + REACH).expand_as(x))


@pytest.mark.parametrize("route", ["sparse", "dense", "half", "both"])
def test_fixed_routes_send_patches_where_they_say(route):
    model = small(arch("pet_pool"))
    sparse, dense, split = said(model, images(256, 256, count=2), route)
    odd = torch.tensor([[0, 1], [1, 0], [0, 1], [1, 0]], dtype=torch.bool)
    every = torch.ones_like(odd)
    wanted = {"sparse": (every, ~every), "dense": (~every, every), "half": (~odd, odd), "both": (every, every)}[route]
    for i in range(2):
        assert torch.equal(windows_decoded(sparse[i], (32, 32), (8, 16)), wanted[0])
        assert torch.equal(windows_decoded(dense[i], (64, 64), (16, 32)), wanted[1])
    assert split.isfinite().all()


def test_what_is_not_decoded_is_nothing_at_its_query():
    sparse, dense, _ = said(small(arch("pet_pool")), images(256, 256), "half")
    for rows, stride in ((sparse, 8), (dense, 4)):
        left = rows[0][~decoded_rows(rows[0])]
        side = 256 // stride
        numbers = (~decoded_rows(rows[0])).nonzero().squeeze(1)
        queries = torch.stack([numbers // side, numbers % side], dim=1) * stride + stride // 2
        assert torch.equal(left, torch.cat([QUERY.expand(len(left), 2), queries.float()], dim=1))


@pytest.mark.parametrize("size", [(256, 256), (200, 384)])
@pytest.mark.parametrize("name", ["pet", "team_pet_final", "pet_depthwise"])
def test_kept_windows_say_what_training_says(name, size):
    """Bit by bit."""
    model, image = small(arch(name)), images(*size, count=2)
    halve(model, image)
    learned = said(model, image)
    model.train()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eval()
    everything = said(model, image)
    for rows, whole in zip(learned[:2], everything[:2], strict=True):
        kept = decoded_rows(rows)
        assert 0 < kept.sum() < kept.numel()
        assert torch.equal(rows[kept], whole[kept])
        assert whole.isfinite().all()
    assert torch.equal(learned.split.nan_to_num(-1), everything.split.nan_to_num(-1))


def test_each_patch_uses_the_level_that_the_split_says():
    model, image = small(arch("team_enc2")), images(256, 256)
    halve(model, image)
    sparse, dense, split = said(model, image)
    assert torch.equal(windows_decoded(dense[0], (64, 64), (16, 32)), split[0] > 0.5)
    assert torch.equal(windows_decoded(sparse[0], (32, 32), (8, 16)), split[0] <= 0.5)


@pytest.mark.parametrize(("bias", "dense_patches"), [(0.0, 0), (1e-6, 8), (30.0, 8), (-30.0, 0)])
def test_a_level_without_windows_and_a_split_of_a_half(bias, dense_patches):
    model = small(arch("pet_pool"))
    nn.init.zeros_(model.splitter.weight)
    nn.init.constant_(model.splitter.bias, bias)
    sparse, dense, split = said(model, images(256, 256))
    assert windows_decoded(dense[0], (64, 64), (16, 32)).sum() == dense_patches
    assert windows_decoded(sparse[0], (32, 32), (8, 16)).sum() == 8 - dense_patches
    assert (split == 0.5).all() or bias


@pytest.mark.parametrize(
    ("size", "patches"), [((256, 288), 12), ((264, 256), 10), ((384, 256), 12), ((256, 256), 8), ((65, 129), 4)]
)
@pytest.mark.parametrize("name", ["pet", "team_enc2", "pet_depthwise", "pet_quarter_windows"])
def test_patches_with_a_real_position_are_queried_and_no_others(name, size, patches):
    """Whatever the encoder's windows and mixers are."""
    model = small(arch(name))
    sparse, dense, split = said(model, images(*size), "both")
    real = torch.zeros(split.shape[1:], dtype=torch.bool)
    real[: -(-size[0] // 64), : -(-size[1] // 128)] = True
    assert real.sum() == patches
    assert torch.equal(split[0].isfinite(), real)
    grid = (real.shape[0] * 8, real.shape[1] * 16)
    assert torch.equal(windows_decoded(sparse[0], grid, (8, 16)), real)
    memory = torch.zeros(grid[0] // 2, grid[1] // 4, dtype=torch.bool)
    memory[: -(-size[0] // 16), : -(-size[1] // 32)] = True
    assert torch.equal(windows_decoded(dense[0], (grid[0] * 2, grid[1] * 2), (4, 8)), memory)


def test_padding_is_never_read_by_attention():
    """What stands in the encoder's padding does not reach the real part, with windows partly in padding."""
    model = small(arch("pet"))
    code = torch.randn(1, 32, 32, 64)
    x = torch.randn(1, 32, 32, 64)
    other = x.clone()
    other[:, :, 20:] = 7
    other[:, :, :, 37:] = 7
    with torch.no_grad():
        one, two = model.encoder(x, code, (20, 37)), model.encoder(other, code, (20, 37))
    torch.testing.assert_close(one[:, :, :20, :37], two[:, :, :20, :37])
    assert one.isfinite().all()


@pytest.mark.parametrize("size", [(256, 256), (300, 411)])
@pytest.mark.parametrize("name", ["team_pet_final", "pet_quarter_windows"])
def test_a_batch_says_what_its_images_say_alone(name, size):
    model, image = small(arch(name)), images(*size, count=2)
    halve(model, image)
    together = said(model, image)
    for i in range(2):
        alone = said(model, image[i : i + 1])
        for rows, whole in zip(alone, together, strict=True):
            torch.testing.assert_close(rows[0], whole[i], rtol=1e-4, atol=1e-3, equal_nan=True)  # points in pixels


def test_windows_mix_by_themselves():
    """A layer on the map is the layer on each window."""
    layer = EncoderLayer(LayerArch((8, 4), Option("attention", {"heads": 2})), 16, norm=Option("layernorm"), window=(4, 8)).eval()
    x, code = torch.randn(2, 16, 8, 16), torch.randn(1, 16, 8, 16)
    with torch.no_grad():
        whole = as_maps(layer(x, code, (8, 16), (4, 8)), (4, 8))
        windows, codes = as_maps(x, (4, 8)), as_maps(code, (4, 8)).repeat(2, 1, 1, 1)
        alone = [layer(w[None], c[None], (4, 8), (4, 8)) for w, c in zip(windows, codes, strict=True)]
    torch.testing.assert_close(whole, torch.cat(alone))


def test_dropping_what_nothing_reads_changes_no_output():
    whole = small(arch("pet_pool"))
    lean = small(pet_with({"coarse": "dropped", "decoder.readout": "last"}, "pet_pool"))
    missing = lean.load_state_dict({k: v for k, v in whole.state_dict().items() if "smooth5" not in k})
    assert not missing.missing_keys
    for one, other in zip(said(whole, images(256, 256), "half"), said(lean, images(256, 256), "half"), strict=True):
        assert torch.equal(one, other)


def gradients(model: Pet, side: int) -> Iterator[str]:
    """Train a step; the names of the parameters without a gradient."""
    sparse, dense, split = model.train()(images(side, side, count=2))
    loss = sum((rows * torch.randn_like(rows)).mean() for rows in (sparse, dense)) + (split * torch.randn_like(split)).mean()
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or parameter.grad.isfinite().all(), name
        if parameter.grad is None or not (name.endswith("bias") or parameter.grad.any()):
            yield name
    torch.optim.SGD(model.parameters(), lr=1e-3).step()


@pytest.mark.parametrize("name", NAMED)
def test_named_networks_train_a_step(name):
    """The convolution that nothing reads is the only one without a gradient."""
    model = small(arch(name), 128)
    assert list(gradients(model, 128)) == ["backbone.smooth5.weight", "backbone.smooth5.bias"]
    assert said(model.eval(), images(70, 140)).sparse.shape == (1, 512, 4)


@pytest.mark.parametrize("seed", range(8))
def test_random_members_train_a_step(seed):
    member = pet_space().sample(random.Random(seed))
    model = small(member, 128)
    without = {"backbone.smooth5.weight", "backbone.smooth5.bias"} if member.arch["coarse"] == "kept" else set()
    assert set(gradients(model, 128)) == without
    assert said(model.eval(), images(128, 128, count=2)).dense.shape == (2, 1024, 4)


def test_every_one_step_change_of_the_baseline_builds_and_runs():
    space = pet_space()
    changes = list(space.changes(space.baseline))
    assert len({change.arch.id for change in changes}) == len(changes) > 30
    assert {"decoder.layers", "coarse", "encoder.sharing", "backbone", "encoder.norm"} <= {change.name for change in changes}
    for change in changes:
        assert said(small(change.arch, 128), images(128, 128), "half").sparse.shape == (1, 256, 4), change


def test_the_named_variants_are_members():
    space = pet_space()
    assert space.baseline == arch("pet")
    assert set(space.known) == {arch(name) for name in NAMED[1:]}


@pytest.mark.parametrize("name", NAMED)
def test_written_and_read_again_it_is_the_same(name):
    assert Arch.from_yaml(arch(name).to_yaml()).id == arch(name).id


def test_measured_networks_decode_half_of_the_patches():
    assert build_measured(arch("pet_pool"), 1, image_size=(256, 256)).route == "half"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dim": 130}, "dim: given 130; allowed: multiples of 4"),
        ({"heads": 7}, "heads: given 7; allowed: numbers that divide the 256 channels"),
        (
            {"encoder.layer1.window": [24, 16]},
            r"window: given \[24, 16\]; allowed: a width and a height, each one of 1, 2, 4, 8, 16, 32",
        ),
        ({"encoder.layer1.window": [16]}, r"window: given \[16\]"),
        ({"encoder.layer1.mixer": {"name": "attention", "kv": {"name": "pool"}}}, r"mixer\.kv: given a pool that shrinks windows"),
        ({"encoder.sharing": "AA"}, "encoder.sharing: given 'AA' for 4 layers"),
        ({"encoder.sharing": "ABBA", "encoder.layer4.ffn": "identity"}, "layer1 and layer4 have the same mixer and FFN"),
        ({"decoder.layers": 1, "decoder.readout": "last"}, "readout 'last' for one layer"),
        ({"decoder.layers": 1, "decoder.sharing": "AA"}, "sharing 'AA'"),
        ({"decoder.layers": 3}, "decoder.layers: given 3"),
        ({"backbone": "vgg16"}, "Did you mean 'vgg16_bn'"),
    ],
)
def test_architectures_that_are_none(changes, message):
    with pytest.raises(ValueError, match=message):
        pet_with(changes)


def test_what_is_refused_when_it_is_built_or_run():
    with pytest.raises(ValueError, match="given 20 classes; allowed: 1"):
        build(arch("pet"), 20)
    with pytest.raises(ValueError, match="route given 'odd'; allowed: learned, sparse, dense, half, both"):
        said(small(arch("pet_pool"), 128), images(128, 128), "odd")


@pytest.mark.parametrize(
    ("factor", "dim", "heads", "channels"),
    [(0.25, 64, 4, (32, 64, 128, 128)), (0.5, 128, 8, (64, 128, 256, 256)), (0.125, 32, 2, (16, 32, 64, 64)), (2, 512, 8, None)],
)
def test_widened_networks_keep_everything_else(factor, dim, heads, channels):
    typed = structure("pet").construct(arch("pet").arch)
    wider = Pet.widened(typed, factor)
    assert (wider.dim, wider.heads, wider.backbone.args["width"]) == (dim, heads, factor)
    assert {layer.mixer.args["heads"] for layer in wider.encoder.layer} == {heads}
    assert [layer.window for layer in wider.encoder.layer] == [layer.window for layer in typed.encoder.layer]
    assert (wider.decoder, wider.coarse, wider.encoder.norm) == (typed.decoder, typed.coarse, typed.encoder.norm)
    if channels:
        assert build(arch("pet"), 1, width=factor).backbone.body.channels == channels


def test_a_thin_backbone_is_not_made_thinner():
    typed = structure("pet").construct(arch("pet").arch)
    mobile = replace(typed, backbone=Option("mobilenet_v3", {"width": 0.5}))
    assert Pet.widened(mobile, 0.25).backbone.args["width"] == 0.5
    assert Pet.widened(mobile, 0.25).dim == 64
    assert Pet.widened(mobile, 2).backbone.args["width"] == 1.0


def test_fresh_weights_are_drawn_as_the_source_draws_them():
    model = build(arch("team_enc2"), 1, image_size=(256, 256))
    bound = (6 / (4 * 256)) ** 0.5  # of the one matrix for queries, keys and values
    for layer in (model.encoder.layers[0].mixer, model.decoder.layers[1].cross_attention):
        for linear in (layer.query, layer.key_value):
            assert bound * 0.98 < linear.weight.abs().max() <= bound
        assert not any(linear.bias.any() for linear in (layer.query, layer.key_value, layer.output))
    assert model.sparse_head.classes.bias.any()
