"""YOLOX weights as its authors published them, in our `yolox` network: nano to x, and what their code trains at other factors."""

from collections.abc import Mapping
from typing import Any

import torch

from space.arch import Arch
from space.weights._entries import Entries, Names
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "megvii_yolox"
STEM = "backbone.backbone.stem.conv.conv.weight"
BASE = 64  # channels of the stem at width 1
SMALL = 0.5  # widths below it, nano's and tiny's, were trained at 416 pixels, the others at 640
STAGES = ("dark2", "dark3", "dark4", "dark5")
LEVELS = "head.levels.{B}"


def layer(theirs: str, ours: str) -> dict[str, str]:
    """Convolution, norm, activation."""
    return {f"{theirs}.conv": f"{ours}.conv", f"{theirs}.bn": f"{ours}.norm"}


def spatial(theirs: str, ours: str) -> dict[str, str]:
    """A layer with a kernel: dense, or depthwise and then pointwise."""
    depthwise = {f"{theirs}.dconv.conv": f"{ours}.depthwise.conv.convs.0", f"{theirs}.dconv.bn": f"{ours}.depthwise.norm"}
    return layer(theirs, ours) | depthwise | layer(f"{theirs}.pconv", f"{ours}.pointwise")


def csp(theirs: str, ours: str) -> dict[str, str]:
    bottleneck = f"{ours}.bottlenecks.{{B}}"
    return (
        layer(f"{theirs}.conv1", f"{ours}.main")
        | layer(f"{theirs}.conv2", f"{ours}.skip")
        | layer(f"{theirs}.conv3", f"{ours}.merge")
        | layer(f"{theirs}.m.{{B}}.conv1", f"{bottleneck}.reduce")
        | spatial(f"{theirs}.m.{{B}}.conv2", f"{bottleneck}.conv")
    )


def backbone() -> dict[str, str]:
    """Their stages are lists: the strided layer, in the last stage SPP, the CSP."""
    at = "backbone.backbone"
    table = layer(f"{at}.stem.conv", "stem.conv")
    for stage in STAGES:
        table |= spatial(f"{at}.{stage}.0", f"{stage}.down")
        table |= csp(f"{at}.{stage}.{2 if stage == 'dark5' else 1}", f"{stage}.csp")
    spp = layer(f"{at}.dark5.1.conv1", "dark5.spp.reduce") | layer(f"{at}.dark5.1.conv2", "dark5.spp.merge")
    return table | spp


def neck() -> dict[str, str]:
    """Ours are named after the level that they belong to: 3, 4, 5 have strides 8, 16, 32."""
    table = layer("backbone.lateral_conv0", "neck.lateral5") | layer("backbone.reduce_conv1", "neck.lateral4")
    for theirs, ours in {"C3_p4": "top4", "C3_p3": "top3", "C3_n3": "bottom4", "C3_n4": "bottom5"}.items():
        table |= csp(f"backbone.{theirs}", f"neck.{ours}")
    return table | spatial("backbone.bu_conv2", "neck.down3") | spatial("backbone.bu_conv1", "neck.down4")


def head() -> dict[str, str]:
    """Theirs has a list for each kind of layer, ours a list of levels."""
    table = layer("head.stems.{B}", f"{LEVELS}.stem")
    for theirs, ours in {"cls_convs": "class_tower", "reg_convs": "box_tower"}.items():
        for i in (0, 1):
            table |= spatial(f"head.{theirs}.{{B}}.{i}", f"{LEVELS}.{ours}.{i}")
    predictors = {"cls_preds": "classes", "reg_preds": "boxes", "obj_preds": "objectness"}
    return table | {f"head.{theirs}.{{B}}": f"{LEVELS}.{ours}" for theirs, ours in predictors.items()}


NAMES = Names(backbone() | neck() | head())


def recognises(state: Mapping[str, Any]) -> bool:
    return STEM in state


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of `Megvii-BaseDetection/YOLOX`, with a head or, of a backbone with its neck, without.

    Widths, depths and kernels are read from the shapes. What shapes do not say is as published: SiLU, shortcuts in the stages
    with strides 4 to 16 alone, images in BGR from 0 to 255. The models of its release 0.1.0 have the same names and shapes, but
    were trained on normalised RGB: their values are taken as they are and do not fit.
    """
    entries = Entries.renamed(SOURCE, NAMES, state)
    width = entries.shape("stem.conv.conv.weight")[0] / BASE
    whole = any(name.startswith("head.") for name in entries.tensors)
    parts = {name: {"down": conv(entries, f"{name}.down"), **bottlenecks(entries, f"{name}.csp")} for name in STAGES}
    parts["neck"] = {"bottom_up": conv(entries, "neck.down3"), **bottlenecks(entries, "neck.top4")}
    parts["head"] = {"conv": conv(entries, "head.levels.0.class_tower.0" if whole else "dark2.down")}
    return Weights(
        SOURCE,
        Arch.make("yolox", {"width": width, **parts}),
        classes=entries.shape("head.levels.0.classes.weight")[0] if whole else 1,
        image_size=(416, 416) if width < SMALL else (640, 640),
        state=entries.tensors,
        missing=() if whole else ("head",),
    )


def bottlenecks(entries: Entries, place: str) -> dict[str, Any]:
    """What the CSP at `place` is made of."""
    return {
        "depth": entries.depth(f"{place}.bottlenecks"),
        "bottleneck": conv(entries, f"{place}.bottlenecks.0.conv"),
    }


def conv(entries: Entries, place: str) -> dict[str, Any]:
    """The option of the layer with a kernel at `place`."""
    depthwise = f"{place}.depthwise.conv.convs.0.weight"
    if depthwise in entries:
        return {"name": "separable", "kernels": [entries.kernel(depthwise)]}
    return {"name": "dense", "kernel": entries.kernel(f"{place}.conv.weight")}


SOURCES.register(SOURCE)(Source(recognises, convert))
