"""The checkpoint of PET's authors in our network: each entry once, and the outputs that the published network gives with them."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from space import Arch, build
from space.weights import read, take
from space.weights.upstream_pet import convert, recognises

ARCHES = Path(__file__).parents[3] / "conf" / "arch"
PARAMETERS = 20_909_385  # of the public training log
DIM, HEADS, REACH = 256, 8, 256
BODY = {1: ((0, 3), (7, 10)), 2: ((1, 4, 7),), 3: ((1, 4, 7),), 4: ((1, 4, 7),)}  # convolutions; a pool before all but the first
WIDTHS = {1: (64, 64, 128, 128), 2: (256,) * 3, 3: (512,) * 3, 4: (512,) * 3}
WINDOWS = ((32, 16), (32, 16), (16, 8), (16, 8))

Shapes = dict[str, tuple[int, ...]]
State = Mapping[str, Tensor]


def weighted(at: str, *shape: int) -> Shapes:
    return {f"{at}.weight": shape, f"{at}.bias": shape[:1]}


def normed(at: str, dim: int) -> Shapes:
    return {f"{at}.{name}": (dim,) for name in ("weight", "bias")}


def backbone() -> Shapes:
    shapes, channels = {}, 3
    for body, groups in BODY.items():
        for i, width in zip(sum(groups, ()), WIDTHS[body], strict=True):
            at = f"backbone.0.body{body}"
            shapes |= weighted(f"{at}.{i}", width, channels, 3, 3) | normed(f"{at}.{i + 1}", width)
            shapes |= {f"{at}.{i + 1}.{name}": (width,) for name in ("running_mean", "running_var")}
            shapes[f"{at}.{i + 1}.num_batches_tracked"] = ()
            channels = width
    for level, width in ((5, 512), (4, 512), (3, 256)):
        at = f"backbone.0.fpn.P{level}"
        shapes |= weighted(f"{at}_1", DIM, width, 1, 1) | weighted(f"{at}_2", DIM, DIM, 3, 3)
    return shapes


def layer(at: str, attentions: tuple[str, ...]) -> Shapes:
    shapes = weighted(f"{at}.linear1", 2 * DIM, DIM) | weighted(f"{at}.linear2", DIM, 2 * DIM)
    for name in attentions:
        shapes |= {f"{at}.{name}.in_proj_weight": (3 * DIM, DIM), f"{at}.{name}.in_proj_bias": (3 * DIM,)}
        shapes |= weighted(f"{at}.{name}.out_proj", DIM, DIM)
    for i in range(len(attentions) + 1):
        shapes |= normed(f"{at}.norm{i + 1}", DIM)
    return shapes


def described(layers: int = 4) -> Shapes:
    """The names and shapes of a checkpoint, each tensor once."""
    shapes = backbone() | weighted("quadtree_splitter.1", 1, DIM, 1, 1)
    for i in (0, 1):
        shapes |= weighted(f"input_proj.{i}", DIM, DIM, 1, 1)
        shapes |= layer(f"quadtree_sparse.transformer.decoder.layers.{i}", ("self_attn", "multihead_attn"))
    for i in range(layers):
        shapes |= layer(f"context_encoder.encoder.layers.{i}", ("self_attn",))
    shapes |= normed("quadtree_sparse.transformer.decoder.norm", DIM)
    for at in ("quadtree_sparse", "quadtree_dense"):
        shapes |= weighted(f"{at}.class_embed", 2, DIM) | weighted(f"{at}.coord_embed.layers.2", 2, DIM)
        shapes |= weighted(f"{at}.coord_embed.layers.0", DIM, DIM) | weighted(f"{at}.coord_embed.layers.1", DIM, DIM)
    return shapes


def value(name: str, shape: tuple[int, ...]) -> Tensor:
    """Random, so that maps keep their size through the layers and no weight is like another."""
    if name.endswith("num_batches_tracked"):
        return torch.tensor(1000)
    if name.endswith("running_var"):
        return torch.rand(shape) * 0.5 + 0.5
    if len(shape) == 1:
        return torch.rand(shape) * 0.5 + 0.75 if name.endswith("weight") else torch.randn(shape) * 0.1
    gain = 4.0 if "class_embed" in name else 1.4 if ".body" in name else 1.0
    return torch.randn(shape) * gain * math.prod(shape[1:]) ** -0.5


def with_copies(state: State) -> dict[str, Tensor]:
    """As theirs saves it: the backbone three times, the decoder twice."""
    whole = dict(state)
    for name, tensor in state.items():
        if name.startswith("backbone."):
            whole |= {f"quadtree_{level}.{name}": tensor for level in ("sparse", "dense")}
        if ".transformer." in name:
            whole[name.replace("sparse", "dense")] = tensor
    return whole


def checkpoint(layers: int = 4) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {name: value(name, shape) for name, shape in described(layers).items()}


@pytest.fixture(scope="module")
def pet() -> dict[str, Tensor]:
    return checkpoint()


class Reference:
    """The published forward pass of one image, written from the description of the network over the checkpoint's own names. `size`
    is that of the padded image."""

    def __init__(self, state: State, size: tuple[int, int]):
        self.state, self.size = state, size

    def layer(self, at: str, x: Tensor) -> Tensor:
        weight, bias = self.state[f"{at}.weight"], self.state[f"{at}.bias"]
        if weight.dim() == 4:
            return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        return F.linear(x, weight, bias) if weight.dim() == 2 else F.layer_norm(x, weight.shape, weight, bias)

    def maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Strides 4 and 8, projected."""
        x, found = image, []
        for body, groups in BODY.items():
            for i, group in enumerate(groups):
                x = F.max_pool2d(x, 2) if body > 1 or i else x
                for j in group:
                    at = f"backbone.0.body{body}.{j}"
                    x = F.relu(self.batch_norm(f"backbone.0.body{body}.{j + 1}", self.layer(at, x)))
            found.append(x)
        p5, p4, p3 = (self.layer(f"backbone.0.fpn.P{level}_1", found[level - 2]) for level in (5, 4, 3))
        p4 = p4 + p5.repeat_interleave(2, 2).repeat_interleave(2, 3)
        p3 = p3 + p4.repeat_interleave(2, 2).repeat_interleave(2, 3)
        smooth = [self.layer(f"backbone.0.fpn.P{level}_2", p) for level, p in ((3, p3), (4, p4))]
        return self.layer("input_proj.0", smooth[0]), self.layer("input_proj.1", smooth[1])

    def batch_norm(self, at: str, x: Tensor) -> Tensor:
        mean, var = self.state[f"{at}.running_mean"], self.state[f"{at}.running_var"]
        return F.batch_norm(x, mean, var, self.state[f"{at}.weight"], self.state[f"{at}.bias"])

    def attend(self, at: str, query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None = None) -> Tensor:
        """(windows, tokens, C), by the definition; a window of padding alone gives nan."""
        rows = zip(*(self.state[f"{at}.in_proj_{name}"].chunk(3) for name in ("weight", "bias")), strict=True)
        tokens = [F.linear(x, *row) for x, row in zip((query, key, value), rows, strict=True)]
        q, k, v = (x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in tokens)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
        if padding is not None:
            scores = scores.masked_fill(padding[:, None, None], -torch.inf)
        return self.layer(f"{at}.out_proj", (scores.softmax(3) @ v).transpose(1, 2).flatten(2))

    def ffn(self, at: str, x: Tensor, norm: str) -> Tensor:
        y = self.layer(f"{at}.linear2", F.relu(self.layer(f"{at}.linear1", x)))
        return self.layer(f"{at}.{norm}", x + y)

    def __call__(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Rows (logits, y, x) of both levels and the split map, all queries decoded; nan where one reads padding alone."""
        height, width = image.shape[2:]
        self.code = sine(height, width, self.size)
        padding = torch.ones(self.size, dtype=torch.bool)
        padding[:height, :width] = False
        self.padding = padding[::8, ::8][None, None]
        map4, map8 = self.maps(F.pad(image, (0, self.size[1] - width, 0, self.size[0] - height)))
        self.memory_code = sine(-(-height // 8), -(-width // 8), map8.shape[2:])
        self.memory = map8
        for i, window in enumerate(WINDOWS):
            self.memory = self.encoded(f"context_encoder.encoder.layers.{i}", self.memory, window)
        patches = self.layer("quadtree_splitter.1", F.avg_pool2d(self.memory, (8, 16))).sigmoid()
        return self.decoded("sparse", map8, 8, (16, 8)), self.decoded("dense", map4, 4, (8, 4)), patches[:, 0]

    def encoded(self, at: str, x: Tensor, window: tuple[int, int]) -> Tensor:
        tokens, code, padding = cut(x, window), cut(self.memory_code, window), cut(self.padding, window)[..., 0]
        mixed = self.attend(f"{at}.self_attn", tokens + code, tokens + code, tokens, padding)
        tokens = self.ffn(at, self.layer(f"{at}.norm1", tokens + mixed), "norm2")
        return joined(tokens, window, x.shape[2:])

    def decoded(self, level: str, features: Tensor, stride: int, window: tuple[int, int]) -> Tensor:
        """(1, queries, 4), row by row of the map."""
        inner = window if stride == 8 else (window[0] // 2, window[1] // 2)
        middle = stride // 2
        x, code = cut(features, window), cut(self.code[:, :, middle::stride, middle::stride], window)
        memory, memory_code, padding = (cut(each, inner) for each in (self.memory, self.memory_code, self.padding))
        for i in (0, 1):
            at = f"quadtree_sparse.transformer.decoder.layers.{i}"
            x = self.layer(f"{at}.norm1", x + self.attend(f"{at}.self_attn", x + code, x + code, x))
            read = self.attend(f"{at}.multihead_attn", x + code, memory + memory_code, memory, padding[..., 0])
            x = self.ffn(at, self.layer(f"{at}.norm2", x + read), "norm3")
        x = self.layer("quadtree_sparse.transformer.decoder.norm", x)
        logits, offset = self.layer(f"quadtree_{level}.class_embed", x), x
        for i in range(3):
            offset = self.layer(f"quadtree_{level}.coord_embed.layers.{i}", F.relu(offset) if i else offset)
        rows = joined(torch.cat([logits, 2 * REACH * (offset.sigmoid() - 0.5)], 2), window, features.shape[2:])
        ys, xs = (torch.arange(side) * stride + middle for side in features.shape[2:])
        rows[:, 2:] += torch.stack(torch.meshgrid(ys, xs, indexing="ij"))
        return rows.flatten(2).transpose(1, 2)


def sine(height: int, width: int, size: tuple[int, int]) -> Tensor:
    """(1, 256, H, W): the published code at every position of a padded map. Positions are counted over what is real."""
    real = torch.zeros(size)
    real[:height, :width] = 1
    codes = []
    for axis in (0, 1):
        count = real.cumsum(axis)
        part = count / (count.narrow(axis, -1, 1) + 1e-6) * 2 * math.pi
        angle = part[..., None] / 10000 ** (torch.arange(0, 128, 2) / 128)
        codes.append(torch.stack([angle.sin(), angle.cos()], 3).flatten(2))
    return torch.cat(codes, 2).permute(2, 0, 1)[None]


def cut(x: Tensor, window: tuple[int, int]) -> Tensor:
    """(1, C, H, W) -> (windows, tokens, C); windows are (width, height)."""
    w, h = window
    return torch.cat([block.flatten(2) for row in x.split(h, 2) for block in row.split(w, 3)]).transpose(1, 2)


def joined(tokens: Tensor, window: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Undo `cut`."""
    w, h = window
    blocks = iter(tokens.transpose(1, 2).unflatten(2, (h, w)))
    rows = [torch.cat([next(blocks) for _ in range(size[1] // w)], 2) for _ in range(size[0] // h)]
    return torch.cat(rows, 1)[None]


def arch(name: str, **changes: object) -> Arch:
    whole = Arch.from_yaml(ARCHES / f"{name}.yaml")
    return Arch.make("pet", {**whole.arch, **changes})


def test_the_names_are_those_of_the_published_network():
    learned = [shape for name, shape in described().items() if not name.endswith(("running_mean", "running_var", "tracked"))]
    assert sum(math.prod(shape) for shape in learned) == PARAMETERS


def test_outputs_are_those_of_the_published_network(pet, tmp_path):
    torch.save({"model": with_copies(pet), "epoch": 765, "best_mae": 49.1}, tmp_path / "checkpoint.pth")
    weights = read(tmp_path / "checkpoint.pth")
    assert (weights.source, weights.arch, weights.classes) == ("upstream_pet", arch("pet"), 1)
    network = weights.network()
    network.route = "both"
    image = torch.randn(1, 3, 180, 140)  # the last of four rows of patches is padding
    with torch.no_grad():
        ours, theirs = network(image), Reference(pet, (256, 256))(image)
    assert ours.split.isnan().sum() == 2
    for mine, wanted in zip(ours, theirs, strict=True):
        said = ~wanted.isnan()
        assert (mine[said] - wanted[said]).abs().max() < 1e-4 * wanted[said].abs().max()
    for mine, wanted in zip(ours[:2], theirs[:2], strict=True):
        assert torch.equal(mine[..., 1] > -torch.inf, ~wanted[..., 1].isnan())


def test_copies_that_differ_are_refused(pet):
    name = "quadtree_dense.transformer.decoder.norm.bias"
    with pytest.raises(ValueError, match=f"'{name}' differs from 'quadtree_sparse.transformer.decoder.norm.bias'"):
        convert({**with_copies(pet), name: pet[name.replace("dense", "sparse")] + 1})


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("context_encoder.encoder.layers.4.linear1.weight", (512, 256), "5 encoder layers; allowed: 2 or 4"),
        ("context_encoder.encoder.layers.0.attention.weight", (256, 256), "not an entry that such a checkpoint has"),
        ("context_encoder.encoder.layers.1.self_attn.in_proj_bias", (767,), "not queries, keys and values of one width"),
        ("backbone.0.fpn.P4_1.weight", (256, 256, 1, 1), r"'backbone.lateral4.weight' .* \(256, 256, 1, 1\), but"),
    ],
)
def test_what_does_not_fit_together_is_refused(name, shape, message, pet):
    with pytest.raises(ValueError, match=message):
        convert({**pet, name: torch.zeros(shape)}).network()


def test_one_decoder_layer():
    state = {name: tensor for name, tensor in checkpoint().items() if ".decoder.layers.1." not in name}
    weights = convert(state)
    assert weights.arch.arch["decoder"]["layers"] == 1
    weights.network()  # complete


def test_two_encoder_layers_have_the_windows_of_the_lighter_network():
    weights = convert(checkpoint(layers=2))
    assert [layer["window"] for layer in weights.arch.arch["encoder"].values() if "window" in layer] == [[32, 16], [8, 4]]


def test_other_names_are_not_recognised(pet):
    assert recognises(pet)
    assert not recognises({name.removeprefix("context_encoder."): tensor for name, tensor in pet.items()})


def test_the_teams_final_network_is_a_part_of_the_published_one(pet):
    network = build(arch("team_pet_final"), 1, image_size=(256, 256))
    taken = take(network, convert(pet))
    assert taken.part == 1.0
    assert torch.equal(network.encoder.layers[1].mixer.query.weight, convert(pet).state["encoder.layers.1.mixer.query.weight"])


def test_another_backbone_and_another_mixer_are_fresh_and_the_rest_is_taken(pet):
    given = arch("pet").arch
    layer = {"window": [8, 4], "mixer": "depthwise", "ffn": {"name": "mlp", "ratio": 2}}
    changed = arch("pet", backbone="vgg11_bn", encoder={**given["encoder"], "layer4": layer})
    taken = take(build(changed, 1, image_size=(256, 256)), convert(pet))
    assert {".".join(name.split(".")[:2]) for name in taken.fresh} == {"backbone.body", "encoder.layers"}
    assert all(name.startswith(("backbone.body.", "encoder.layers.3.mixer.")) for name in taken.fresh)
    assert "backbone.body (vgg11_bn here, vgg16_bn in the checkpoint)" in taken.summary


def test_batch_norms_are_folded_into_a_backbone_without(pet):
    weights = convert(pet)
    network = build(arch("pet", backbone={"name": "vgg16_bn", "norm": "removed"}), 1, image_size=(256, 256)).eval()
    taken = take(network, weights)
    assert not taken.fresh
    assert "converted: backbone.body (batch norms folded into the convolutions)" in taken.summary
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for ours, theirs in zip(network.backbone(image), weights.network().backbone(image), strict=True):
            assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()
