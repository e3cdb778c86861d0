"""PET weights as its authors' code saves them, in our `pet` network."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from space.arch import Arch
from space.weights._entries import Entries, Names
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "upstream_pet"
HEAD_DIM = 32  # of published PET: 8 heads in 256 channels
WINDOWS = {4: ((32, 16), (32, 16), (16, 8), (16, 8)), 2: ((32, 16), (8, 4))}
"""(width, height) in tokens by the number of encoder layers: as published, and as level2-3-cv-finalproject-cv-07 cut it."""
COPIES = {
    "quadtree_sparse.backbone.": "backbone.",
    "quadtree_dense.backbone.": "backbone.",
    "quadtree_dense.transformer.": "quadtree_sparse.transformer.",
}
"""Modules that stand in theirs under several names, and are saved under each: where the copies are, and where the first."""


def attention(theirs: str, ours: str) -> dict[str, str]:
    """One product for queries, keys and values there, its tensors not in a module of their own."""
    joint = {f"{theirs}.in_proj_{name}": f"{ours}.qkv.{name}" for name in ("weight", "bias")}
    return {**joint, f"{theirs}.out_proj": f"{ours}.output"}


def layer(theirs: str, ours: str, attentions: Mapping[str, str], norms: list[str]) -> dict[str, str]:
    """A layer of encoder or decoder; theirs numbers its norms."""
    table = {f"{theirs}.linear1": f"{ours}.ffn.expand", f"{theirs}.linear2": f"{ours}.ffn.reduce"}
    for name, our_name in attentions.items():
        table |= attention(f"{theirs}.{name}", f"{ours}.{our_name}")
    return table | {f"{theirs}.norm{i}": f"{ours}.{name}" for i, name in enumerate(norms, 1)}


def head(theirs: str, ours: str) -> dict[str, str]:
    """Between our three linear layers of the points stand the activations."""
    points = {f"{theirs}.coord_embed.layers.{i}": f"{ours}.points.{2 * i}" for i in range(3)}
    return {f"{theirs}.class_embed": f"{ours}.classes", **points}


def backbone() -> dict[str, str]:
    """VGG16 in four pieces, each with the numbers of its own, and the maps after it."""
    table = {f"backbone.0.body{i}.{{B}}": f"backbone.body.stage{i}.{{B}}" for i in range(1, 5)}
    for level in (3, 4, 5):
        table |= {f"backbone.0.fpn.P{level}_1": f"backbone.lateral{level}", f"backbone.0.fpn.P{level}_2": f"backbone.smooth{level}"}
    return table


NAMES = Names(
    backbone()
    | {"input_proj.0": "project4", "input_proj.1": "project8", "quadtree_splitter.1": "splitter"}
    | layer("context_encoder.encoder.layers.{B}", "encoder.layers.{B}", {"self_attn": "mixer"}, ["mixer_norm", "ffn_norm"])
    | layer(
        "quadtree_sparse.transformer.decoder.layers.{B}",
        "decoder.layers.{B}",
        {"self_attn": "self_attention", "multihead_attn": "cross_attention"},
        ["self_norm", "cross_norm", "ffn_norm"],
    )
    | {"quadtree_sparse.transformer.decoder.norm": "decoder.norm"}
    | head("quadtree_sparse", "sparse_head")
    | head("quadtree_dense", "dense_head")
)


def recognises(state: Mapping[str, Any]) -> bool:
    return "quadtree_splitter.1.weight" in state and "context_encoder.encoder.layers.0.linear1.weight" in state


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of `cxliu0/PET`, the published one and what its code trains at other widths or with two encoder layers.

    Widths and depths are read from the shapes. What shapes do not say is as published: VGG16, heads of 32 channels, ReLU, and the
    windows of the encoder. The backbone's and the decoder's copies have to be copies.
    """
    entries = Entries.renamed(SOURCE, NAMES, dict(without_copies(state)))
    entries.split_attention()
    dim, layers = entries.shape("project8.weight")[0], entries.depth("encoder.layers")
    if layers not in WINDOWS:
        allowed = " or ".join(str(count) for count in sorted(WINDOWS))
        raise ValueError(f"{SOURCE}: {layers} encoder layers; allowed: {allowed}, of which the windows are known")
    heads = max(dim // HEAD_DIM, 1)
    mixer = {"name": "attention", "heads": heads}
    encoder = {
        f"layer{i}": {"window": list(window), "mixer": mixer, "ffn": mlp(entries, f"encoder.layers.{i - 1}")}
        for i, window in enumerate(WINDOWS[layers], 1)
    }
    decoder = {"layers": entries.depth("decoder.layers"), "ffn": mlp(entries, "decoder.layers.0")}
    arch = {"backbone": "vgg16_bn", "encoder": encoder, "decoder": decoder, "dim": dim, "heads": heads}
    return Weights(SOURCE, Arch.make("pet", arch), classes=1, image_size=(256, 256), state=entries.tensors)


def mlp(entries: Entries, place: str) -> dict[str, Any]:
    rows, columns = entries.shape(f"{place}.ffn.expand.weight")
    return {"name": "mlp", "ratio": rows // columns}


def without_copies(state: Mapping[str, torch.Tensor]) -> Iterator[tuple[str, torch.Tensor]]:
    """Each tensor once, under its first name. ValueError where two differ that are one in their network."""
    for name, tensor in state.items():
        first = next((to + name.removeprefix(at) for at, to in COPIES.items() if name.startswith(at)), name)
        if first == name or first not in state:
            yield first, tensor
        elif not torch.equal(tensor, state[first]):
            raise ValueError(f"{SOURCE}: '{name}' differs from '{first}'; in PET they are one tensor")


SOURCES.register(SOURCE)(Source(recognises, convert))
