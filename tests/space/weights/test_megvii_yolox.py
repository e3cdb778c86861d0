"""Megvii's checkpoints in our network: each entry once, and the outputs that the published network gives with them."""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from space import Arch, build
from space.weights import Taken, read, take
from space.weights.megvii_yolox import NAMES, convert, recognises

ARCHES = Path(__file__).parents[3] / "conf" / "arch"
FACTORS = {  # depth, width
    "nano": (0.33, 0.25),
    "tiny": (0.33, 0.375),
    "s": (0.33, 0.5),
    "m": (0.67, 0.75),
    "l": (1.0, 1.0),
    "x": (1.33, 1.25),
}
PARAMETERS = {"nano": 912159, "tiny": 5055855, "s": 8968255}  # with 80 classes
CSPS = {"backbone.C3_p4": 8, "backbone.C3_p3": 4, "backbone.C3_n3": 8, "backbone.C3_n4": 16}  # their output, in stem widths

Shapes = dict[str, tuple[int, ...]]
State = Mapping[str, Tensor]


def cba(at: str, i: int, o: int, k: int = 1, groups: int = 1) -> Shapes:
    norms = {f"{at}.bn.{name}": (o,) for name in ("weight", "bias", "running_mean", "running_var")}
    return {f"{at}.conv.weight": (o, i // groups, k, k), **norms, f"{at}.bn.num_batches_tracked": ()}


def spatial(at: str, i: int, o: int, *, separable: bool) -> Shapes:
    return cba(f"{at}.dconv", i, i, 3, groups=i) | cba(f"{at}.pconv", i, o) if separable else cba(at, i, o, 3)


def csp(at: str, i: int, o: int, n: int, *, separable: bool) -> Shapes:
    half = o // 2
    shapes = cba(f"{at}.conv1", i, half) | cba(f"{at}.conv2", i, half) | cba(f"{at}.conv3", 2 * half, o)
    for j in range(n):
        shapes |= cba(f"{at}.m.{j}.conv1", half, half) | spatial(f"{at}.m.{j}.conv2", half, half, separable=separable)
    return shapes


def described(depth: float, width: float, *, classes: int, separable: bool) -> Shapes:
    """The names and shapes of a checkpoint with these factors."""
    n, c = max(round(3 * depth), 1), int(64 * width)
    sep = {"separable": separable}
    at = "backbone.backbone"
    shapes = cba(f"{at}.stem.conv", 12, c, 3)
    for stage, times, blocks in ((2, 2, n), (3, 4, 3 * n), (4, 8, 3 * n), (5, 16, n)):
        shapes |= spatial(f"{at}.dark{stage}.0", times * c // 2, times * c, **sep)
        shapes |= csp(f"{at}.dark{stage}.{2 if stage == 5 else 1}", times * c, times * c, blocks, **sep)
    shapes |= cba(f"{at}.dark5.1.conv1", 16 * c, 8 * c) | cba(f"{at}.dark5.1.conv2", 32 * c, 16 * c)
    shapes |= cba("backbone.lateral_conv0", 16 * c, 8 * c) | cba("backbone.reduce_conv1", 8 * c, 4 * c)
    shapes |= spatial("backbone.bu_conv2", 4 * c, 4 * c, **sep) | spatial("backbone.bu_conv1", 8 * c, 8 * c, **sep)
    for name, times in CSPS.items():
        joined = {"backbone.C3_p4": 16, "backbone.C3_p3": 8}.get(name, times)
        shapes |= csp(name, joined * c, times * c, n, **sep)
    for level, times in enumerate((4, 8, 16)):
        shapes |= head(level, times * c, 4 * c, classes, **sep)
    return shapes


def head(level: int, i: int, o: int, classes: int, *, separable: bool) -> Shapes:
    shapes = cba(f"head.stems.{level}", i, o)
    for tower in ("cls_convs", "reg_convs"):
        for j in (0, 1):
            shapes |= spatial(f"head.{tower}.{level}.{j}", o, o, separable=separable)
    for name, outputs in {"cls_preds": classes, "reg_preds": 4, "obj_preds": 1}.items():
        shapes |= {f"head.{name}.{level}.weight": (outputs, o, 1, 1), f"head.{name}.{level}.bias": (outputs,)}
    return shapes


def filled(shapes: Shapes) -> dict[str, Tensor]:
    """Random values that keep the maps' size about the same through the layers."""
    torch.manual_seed(0)
    return {name: value(name, shape) for name, shape in shapes.items()}


def value(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name.endswith("running_var"):
        return torch.rand(shape) * 0.5 + 0.5
    if name.endswith("bn.weight"):
        return torch.rand(shape) * 0.5 + 1.0
    return torch.randn(shape) * (0.1 if len(shape) == 1 else math.prod(shape[1:]) ** -0.5)


@pytest.fixture(scope="module")
def nano() -> dict[str, Tensor]:
    return filled(described(*FACTORS["nano"], classes=80, separable=True))


class Reference:
    """The published forward pass, written from the description of the network over the checkpoint's own names."""

    def __init__(self, state: State):
        self.state = state

    def cba(self, at: str, x: Tensor, stride: int = 1) -> Tensor:
        weight, bn = self.state[f"{at}.conv.weight"], f"{at}.bn"
        x = F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2, groups=x.shape[1] // weight.shape[1])
        mean, var = self.state[f"{bn}.running_mean"], self.state[f"{bn}.running_var"]
        return F.silu(F.batch_norm(x, mean, var, self.state[f"{bn}.weight"], self.state[f"{bn}.bias"], eps=1e-3))

    def spatial(self, at: str, x: Tensor, stride: int = 1) -> Tensor:
        if f"{at}.conv.weight" in self.state:
            return self.cba(at, x, stride)
        return self.cba(f"{at}.pconv", self.cba(f"{at}.dconv", x, stride))

    def csp(self, at: str, x: Tensor, *, shortcut: bool = False) -> Tensor:
        a, b, j = self.cba(f"{at}.conv1", x), self.cba(f"{at}.conv2", x), 0
        while f"{at}.m.{j}.conv1.conv.weight" in self.state:
            made = self.spatial(f"{at}.m.{j}.conv2", self.cba(f"{at}.m.{j}.conv1", a))
            a, j = made + a if shortcut else made, j + 1
        return self.cba(f"{at}.conv3", torch.cat([a, b], 1))

    def backbone(self, image: Tensor) -> list[Tensor]:
        at = "backbone.backbone"
        corners = [image[:, :, y::2, x::2] for y, x in ((0, 0), (1, 0), (0, 1), (1, 1))]
        x = self.cba(f"{at}.stem.conv", torch.cat(corners, 1))
        maps = []
        for stage in ("dark2", "dark3", "dark4"):
            x = self.csp(f"{at}.{stage}.1", self.spatial(f"{at}.{stage}.0", x, 2), shortcut=True)
            maps.append(x)
        x = self.cba(f"{at}.dark5.1.conv1", self.spatial(f"{at}.dark5.0", x, 2))
        pools = [F.max_pool2d(x, side, stride=1, padding=side // 2) for side in (5, 9, 13)]
        return [*maps[1:], self.csp(f"{at}.dark5.2", self.cba(f"{at}.dark5.1.conv2", torch.cat([x, *pools], 1)))]

    def neck(self, c3: Tensor, c4: Tensor, c5: Tensor) -> list[Tensor]:
        f0 = self.cba("backbone.lateral_conv0", c5)
        f1 = self.cba("backbone.reduce_conv1", self.csp("backbone.C3_p4", torch.cat([enlarged(f0), c4], 1)))
        p3 = self.csp("backbone.C3_p3", torch.cat([enlarged(f1), c3], 1))
        p4 = self.csp("backbone.C3_n3", torch.cat([self.spatial("backbone.bu_conv2", p3, 2), f1], 1))
        return [p3, p4, self.csp("backbone.C3_n4", torch.cat([self.spatial("backbone.bu_conv1", p4, 2), f0], 1))]

    def __call__(self, image: Tensor) -> Tensor:
        return torch.cat([self.level(i, x) for i, x in enumerate(self.neck(*self.backbone(image)))], 1)

    def level(self, i: int, x: Tensor) -> Tensor:
        x = self.cba(f"head.stems.{i}", x)
        found, box = x, x
        for j in (0, 1):
            found, box = self.spatial(f"head.cls_convs.{i}.{j}", found), self.spatial(f"head.reg_convs.{i}.{j}", box)
        parts = [self.predicted("reg", i, box), self.predicted("obj", i, box), self.predicted("cls", i, found)]
        return torch.cat(parts, 1).flatten(2).transpose(1, 2)

    def predicted(self, name: str, i: int, x: Tensor) -> Tensor:
        return F.conv2d(x, self.state[f"head.{name}_preds.{i}.weight"], self.state[f"head.{name}_preds.{i}.bias"])


def enlarged(x: Tensor) -> Tensor:
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def checkpoint(name: str) -> dict[str, Tensor]:
    return filled(described(*FACTORS[name], classes=80, separable=name == "nano"))


def test_the_names_are_those_of_the_published_sizes():
    for name, parameters in PARAMETERS.items():
        shapes = described(*FACTORS[name], classes=80, separable=name == "nano")
        learned = [shape for at, shape in shapes.items() if at.endswith(("weight", "bias"))]
        assert sum(math.prod(shape) for shape in learned) == parameters


@pytest.mark.parametrize("name", FACTORS)
def test_each_size_is_recognised_by_its_shapes(name):
    shapes = described(*FACTORS[name], classes=80, separable=name == "nano")
    weights = convert({at: torch.empty(shape, device="meta") for at, shape in shapes.items()})
    assert weights.arch == Arch.from_yaml(ARCHES / f"yolox_{name}.yaml")
    assert (weights.classes, weights.image_size) == (80, (416, 416) if name in ("nano", "tiny") else (640, 640))


def test_each_entry_goes_to_one_name_and_each_name_has_one(nano):
    ours = [NAMES.ours(name) for name in nano]
    assert sorted(ours) == sorted(convert(nano).network().state_dict())


@pytest.mark.parametrize("name", ["nano", "tiny"])
def test_outputs_are_those_of_the_published_network(name, tmp_path):
    state = checkpoint(name)
    torch.save({"start_epoch": 300, "model": state, "optimizer": {"state": {}}}, tmp_path / "checkpoint.pth")
    weights = read(tmp_path / "checkpoint.pth")
    assert weights.source == "megvii_yolox"
    image = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        ours, theirs = weights.network()(image), Reference(state)(image)
    assert ours.shape == (2, 126, 85)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()


def test_a_backbone_without_its_head(nano):
    state = {name: tensor for name, tensor in nano.items() if not name.startswith("head.")}
    weights = convert(state)
    assert weights.missing == ("head",)
    network = build(Arch.from_yaml(ARCHES / "yolox_nano.yaml"), 80)
    taken = take(network, weights)
    assert {name.split(".")[0] for name in taken.fresh} == {"head"}


def test_other_names_are_not_recognised(nano):
    assert recognises(nano)
    assert not recognises({name.replace("backbone.backbone.", "backbone."): tensor for name, tensor in nano.items()})


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("backbone.backbone.dark3.1.m.1.conv2.dconv.bn.weight", None, r"bottlenecks.1.conv.depthwise.norm.weight' .* missing"),
        ("backbone.backbone.dark3.1.m.3.conv1.conv.weight", (32, 32, 1, 1), r"bottlenecks.3.reduce.norm.weight' .* missing"),
        ("head.cls_preds.1.weight", (81, 64, 1, 1), r"'head.levels.1.classes.weight' .* \(81, 64, 1, 1\), but"),
        ("backbone.backbone.dark4.0.dconv.conv.weight", (64, 1, 5, 3), "not a convolution with a square kernel"),
        ("backbone.backbone.dark2.1.attention.weight", (32,), "not an entry that such a checkpoint has"),
        ("backbone.backbone.dark5.1.conv1.conv.bias", (128,), "has no place in the network"),
    ],
)
def test_what_does_not_fit_together_is_refused(name, shape, message, nano, tmp_path):
    state = {at: tensor for at, tensor in nano.items() if at != name or shape}
    torch.save(state | ({name: torch.zeros(shape)} if shape else {}), tmp_path / "checkpoint.pth")
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "checkpoint.pth")


def member(name: str, **changes: object) -> Arch:
    """A published size with other parts in some places."""
    whole = Arch.from_yaml(ARCHES / f"yolox_{name}.yaml").arch
    merged = {at: {**whole[at], **new} if isinstance(new, dict) else new for at, new in changes.items()}
    return Arch.make("yolox", {**whole, **merged})


def test_another_number_of_classes_leaves_only_the_class_predictors_fresh(nano):
    taken = take(build(member("nano"), 20), convert(nano))
    assert {name.rsplit(".", 1)[0] for name in taken.fresh} == {f"head.levels.{i}.classes" for i in range(3)}
    assert not taken.converted


def test_larger_and_mixed_separable_kernels_begin_as_the_published_network(nano):
    arch = member(
        "nano",
        dark2={"down": {"name": "separable", "kernels": [5]}, "bottleneck": {"name": "separable", "kernels": [3, 5]}},
        dark4={"bottleneck": {"name": "separable", "kernels": [3, 5, 7, 9]}},
        neck={"bottom_up": {"name": "separable", "kernels": [7]}},
        head={"conv": {"name": "separable", "kernels": [5]}},
    )
    assert not same_output(arch, nano).fresh


def same_output(arch: Arch, state: State) -> Taken:
    """A member computes what the checkpoint does, with what it takes of it."""
    network = build(arch, 80).eval()
    taken = take(network, convert(state))
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        ours, theirs = network(image), Reference(state)(image)
    assert (ours - theirs).abs().max() < 1e-5 * theirs.abs().max()
    return taken


def test_dark2_in_the_neck_adds_nothing_at_first(nano):
    taken = same_output(member("nano", neck={"dark2": "added"}), nano)
    assert {name.split(".")[1] for name in taken.fresh} == {"dark2_to_4", "dark2_to_5"}
    assert "converted: neck (dark2 adds nothing at first)" in taken.summary


def test_dark2_in_the_neck_learns_from_nothing(nano):
    network = build(member("nano", neck={"dark2": "added"}), 80)
    take(network, convert(nano))
    network(torch.randn(1, 3, 64, 64)).square().mean().backward()
    assert network.neck.dark2_to_5.pointwise.norm.weight.grad.abs().min() > 0


def test_dark2_behind_relu_stays_fresh_as_it_would_never_learn(nano):
    taken = take(build(member("nano", neck={"dark2": "added"}, activation="relu"), 80), convert(nano))
    assert not taken.converted


def test_another_operator_is_fresh_and_the_rest_is_taken(nano):
    taken = take(build(member("nano", dark3={"bottleneck": {"name": "depthwise", "kernels": [7]}}), 80), convert(nano))
    assert taken.fresh
    assert all(re.match(r"dark3\.csp\.bottlenecks\.\d\.conv\.", name) for name in taken.fresh)
    assert re.search(
        r"dark3\.csp\.bottlenecks\.\*\.conv \(depthwise.* here, separable.* in the checkpoint\)", taken.summary, re.IGNORECASE
    )


def test_another_activation_has_no_weights_of_its_own(nano):
    taken = take(build(member("nano", activation="relu"), 80), convert(nano))
    assert taken.part == 1.0
