"""The YOLOX network: the form of its predictions, its fresh values, its parts; members of its space built, run, trained."""

import json
import math
import random
from typing import Any

import pytest
import torch
from named import arch, yolox_space
from torch import nn

from registry import Option
from space import Arch, build
from space.arch import structure
from space.networks.yolox import Focus, Spp, Yolox
from space.schema import name_of

NAMED = ["yolox_nano", "yolox_tiny", "yolox_s", "yolox_m", "yolox_l", "yolox_x", "team_dw", "team_mix", "team_fpn", "team_final"]
SMALL = ["yolox_nano", "yolox_tiny", "team_dw", "team_mix", "team_fpn", "team_final"]
SILU = Option("silu")


def nano_with(part: str, fields: dict[str, Any]) -> Arch:
    plain = json.loads(json.dumps(arch("yolox_nano").arch))
    (plain[part] if part else plain).update(fields)
    return Arch.make("yolox", plain)


def small(given: Arch) -> Yolox:
    """The network of the training proxy, with five classes."""
    torch.manual_seed(0)
    return build(given, 5, width=0.5)


def train_a_step(given: Arch) -> Yolox:
    """One step; every parameter gets a gradient."""
    model = small(given).train()
    predictions = model(torch.rand(2, 3, 64, 64) * 255)
    (predictions * torch.randn_like(predictions)).mean().backward()
    assert not [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert not [name for name, p in model.named_parameters() if p.grad.abs().max() == 0]
    torch.optim.SGD(model.parameters(), lr=1e-3).step()
    return model.eval()


@pytest.mark.parametrize(("side", "rows"), [(416, 3549), (160, 525)])
def test_predictions_are_one_row_a_cell(side, rows):
    model = build(arch("yolox_nano"), 20).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, side, side)).shape == (1, rows, 25)


@pytest.mark.parametrize("mode", [True, False])
def test_training_and_evaluation_give_one_form_for_images_of_any_shape(mode):
    model = small(arch("team_final")).train(mode)
    assert model(torch.zeros(2, 3, 64, 96)).shape == (2, 12 * 8 + 6 * 4 + 3 * 2, 10)


@pytest.mark.parametrize("size", [(416, 410), (100, 96), (16, 32)])
def test_sides_that_do_not_divide_are_refused(size):
    with pytest.raises(ValueError, match=rf"given images of \({size[0]}, {size[1]}\); allowed: sides that are multiples of 32"):
        small(arch("yolox_nano"))(torch.zeros(1, 3, *size))


def test_rows_are_cells_of_the_finest_map_first_row_by_row():
    """The predictors read one number of a map that counts its cells."""
    model = small(arch("yolox_nano")).eval()
    for level in model.head.levels:
        level.stem = level.box_tower = level.class_tower = nn.Identity()
        level.boxes, level.objectness, level.classes = (
            nn.Conv2d(1, count, 1, bias=False).requires_grad_(False) for count in (4, 1, 5)
        )
        level.boxes.weight.copy_(torch.arange(4.0).view(4, 1, 1, 1))
        level.objectness.weight.fill_(10)
        level.classes.weight.fill_(100)
    maps = [torch.arange(1.0, h * w + 1).view(1, 1, h, w) for h, w in ((4, 8), (2, 4), (1, 2))]
    rows = model.head(maps)
    assert rows.shape == (1, 42, 10)
    cells = torch.cat([x.flatten() for x in maps])
    torch.testing.assert_close(rows[0], cells[:, None] * torch.tensor([0, 1, 2, 3, 10, 100, 100, 100, 100, 100.0]))


def test_focus_puts_the_square_in_the_published_order():
    """Even row and column, odd row, odd column, both odd; three colours each."""
    focus = Focus(8, SILU)
    focus.conv = nn.Identity()
    image = torch.randn(2, 3, 6, 4)
    squares = [image[:, :, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    torch.testing.assert_close(focus(image), torch.cat(squares, dim=1), rtol=0, atol=0)


def test_pooling_three_times_equals_the_three_sizes():
    spp = Spp(8, SILU).eval()
    seen = []
    spp.merge.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x = torch.randn(1, 8, 15, 11)
    with torch.no_grad():
        spp(x)
        reduced = spp.reduce(x)
        pooled = [nn.functional.max_pool2d(reduced, k, stride=1, padding=k // 2) for k in (5, 9, 13)]
    torch.testing.assert_close(seen[0], torch.cat([reduced, *pooled], dim=1), rtol=0, atol=0)


def test_initial_values():
    model = build(arch("team_final"), 20)
    prior = -math.log(99)
    for level in model.head.levels:
        assert level.classes.bias.detach().unique().tolist() == pytest.approx([prior])
        assert level.objectness.bias.item() == pytest.approx(prior)
        assert level.boxes.bias.abs().max() < 1 / 8  # 64 inputs: the framework's own
        assert level.boxes.bias.any()


@pytest.mark.parametrize("name", NAMED)
def test_every_batch_norm_has_the_networks_constants(name):
    with torch.device("meta"):
        norms = [layer for layer in build(arch(name), 20).modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.03)}


def test_shortcuts_stand_in_the_backbone_but_for_its_last_stage():
    model = small(arch("yolox_nano"))
    found = {name: layer.shortcut for name, layer in model.named_modules() if hasattr(layer, "shortcut")}
    assert {name for name, shortcut in found.items() if shortcut} == {n for n in found if n.startswith(("dark2", "dark3", "dark4"))}
    assert len(found) == 8 + 4


def test_dark2_in_the_neck_is_added_to_both_maps_on_the_way_back():
    """With its own norms at zero the network is the one without it."""
    with_dark2, without = small(arch("team_fpn")).eval(), small(arch("yolox_nano")).eval()
    state = with_dark2.state_dict()
    missing = without.load_state_dict({name: x for name, x in state.items() if "dark2_to" not in name})
    assert not missing.missing_keys
    for path in (with_dark2.neck.dark2_to_4, with_dark2.neck.dark2_to_5):
        nn.init.zeros_(path.pointwise.norm.weight)
    image = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        torch.testing.assert_close(with_dark2(image), without(image))
        nn.init.ones_(with_dark2.neck.dark2_to_5.pointwise.norm.weight)
        changed = (with_dark2(image) - without(image)).abs().amax((0, 2)) > 0
    assert not changed[: 64 + 16].any()  # the path to dark5's map alone reaches the last rows alone
    assert changed[64 + 16 :].all()


@pytest.mark.parametrize("name", SMALL)
def test_named_networks_train_a_step(name):
    model = train_a_step(arch(name))
    with torch.no_grad():
        assert model(torch.rand(1, 3, 96, 64) * 255).isfinite().all()


@pytest.mark.parametrize("seed", range(8))
def test_random_members_train_a_step(seed):
    model = train_a_step(yolox_space().sample(random.Random(seed)))
    with torch.no_grad():
        assert model(torch.rand(2, 3, 64, 64) * 255).isfinite().all()


def test_every_one_step_change_of_the_baseline_builds_and_runs():
    space = yolox_space()
    changes = list(space.changes(space.baseline))
    assert len({change.arch.id for change in changes}) == len(changes) > 40
    with torch.no_grad():
        for change in changes:
            assert build(change.arch, 3, width=0.5).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 21, 8), change


def test_the_named_variants_are_members():
    space = yolox_space()
    assert space.baseline == arch("yolox_nano")
    assert list(space.known) == [arch(name) for name in ("team_dw", "team_mix", "team_fpn", "team_final")]


@pytest.mark.parametrize("name", NAMED)
def test_written_and_read_again_it_is_the_same(name):
    assert Arch.from_yaml(arch(name).to_yaml()).id == arch(name).id


def test_one_kernel_has_one_spelling():
    """Plain depthwise is mixed depthwise of one kernel."""
    bottlenecks = {name_of(arch(name).arch["dark2"]["bottleneck"]) for name in ("team_dw", "team_mix")}
    assert bottlenecks == {"depthwise"}


@pytest.mark.parametrize(
    ("part", "fields", "message"),
    [
        ("dark3", {"depth": 0}, "depth: given 0; allowed: 1 or more"),
        ("neck", {"depth": 0}, "depth: given 0; allowed: 1 or more"),
        ("", {"width": 0.01}, r"width: given 0\.01; allowed: a number by which 64 channels become an even number"),
        ("", {"width": 0.3}, r"width: given 0\.3"),
        ("neck", {"dark2": "on"}, r"neck\.dark2: given 'on'; known: unused, added"),
        ("head", {"conv": "depthwize"}, "Did you mean 'depthwise'"),
    ],
)
def test_architectures_that_are_none(part, fields, message):
    with pytest.raises(ValueError, match=message):
        nano_with(part, fields)


@pytest.mark.parametrize("kernels", [[2], [3, 4], []])
def test_even_kernels_are_refused_when_the_network_is_built(kernels):
    with pytest.raises(ValueError, match="must be one or more odd numbers"):
        build(nano_with("head", {"conv": {"name": "separable", "kernels": kernels}}), 20)


@pytest.mark.parametrize(("factor", "width"), [(0.5, 0.125), (2.0, 0.5), (0.1, 0.125), (1.5, 0.375), (1.4, 0.375)])
def test_widened_networks_keep_everything_else(factor, width):
    typed = structure("yolox").construct(arch("team_final").arch)
    wider = Yolox.widened(typed, factor)
    assert wider.width == width
    assert wider.channels % 8 == 0
    assert (wider.stages, wider.neck, wider.head, wider.activation) == (typed.stages, typed.neck, typed.head, typed.activation)
