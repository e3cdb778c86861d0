"""ImageNet weights of torchvision's classifiers, for the backbone of a `pet` network."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from blocks.backbone import BACKBONE
from registry import Option
from space.arch import Arch
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "torchvision_backbone"
FIRST = ("features.0.weight", "features.0.bias")  # of VGG, with batch norms or without
MOBILENET = ("features.0.0.weight", "features.1.block.0.0.weight", "features.4.block.2.fc1.weight")
AFTER = ("encoder", "splitter", "decoder", "project4", "project8", "sparse_head", "dense_head")
PYRAMID = tuple(f"backbone.{name}{level}" for name in ("lateral", "smooth") for level in (3, 4, 5))
LAYER = {"window": [32, 16]}
"""Nothing of an encoder or decoder is in these files; the network that they are read into needs them all the same."""


def recognises(state: Mapping[str, Any]) -> bool:
    return all(name in state for name in MOBILENET) or all(name in state for name in FIRST)


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of torchvision's vgg11, vgg13, vgg16, with batch norms or without, or mobilenet_v3_large. Its classifier and
    what our backbones cut off are left out.

    Ours have torchvision's layers in torchvision's order, and their names are given in that order.
    """
    theirs = {name: state[name] for name in sorted(state, key=place) if name.startswith("features.")}
    for option in options("features.1.running_mean" in state):
        ours = layers(option)
        if fits(ours, theirs, whole=option.name != "mobilenet_v3"):
            arch = {"backbone": {"name": option.name, **option.args}, "encoder": {"layer1": LAYER}, "decoder": {}}
            renamed = dict(zip((f"backbone.body.{name}" for name in ours), theirs.values(), strict=False))
            return Weights(SOURCE, Arch.make("pet", arch), 1, (256, 256), renamed, missing=PYRAMID + AFTER)
    widths = [tensor.shape[0] for tensor in theirs.values() if tensor.dim() == 4]
    known = "vgg11, vgg13, vgg16, with _bn or without, and mobilenet_v3_large"
    raise ValueError(f"{SOURCE}: {len(widths)} convolutions in 'features', the last of {widths[-1]} channels; known: {known}")


def options(normed: bool) -> list[Option]:
    norm = {} if normed else {"norm": "removed"}
    return [Option("mobilenet_v3"), *(Option(f"vgg{depth}_bn", norm) for depth in (11, 13, 16))]


def layers(option: Option) -> dict[str, torch.Size]:
    """Names and shapes of a backbone of ours, in the order of its layers."""
    with torch.device("meta"):
        state = BACKBONE.build(option).state_dict()
    return {name: state[name].shape for name in sorted(state, key=place)}


def place(name: str) -> list[int | str]:
    """To sort by: 10 after 9, and so the layers' order, whatever the file's."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def fits(ours: Mapping[str, torch.Size], theirs: Mapping[str, torch.Tensor], *, whole: bool) -> bool:
    """Whether the layers are the same ones in the same order; `whole`: and no further ones there."""
    if len(ours) > len(theirs) or (whole and len(ours) != len(theirs)):
        return False
    pairs = zip(ours.items(), theirs.items(), strict=False)
    return all(last(ours_at) == last(at) and shape == tensor.shape for (ours_at, shape), (at, tensor) in pairs)


def last(name: str) -> str:
    return name.rsplit(".", 1)[1]


SOURCES.register(SOURCE)(Source(recognises, convert))
