"""Our `metaformer` network as its weights describe it, whichever source they come from."""

from collections.abc import Mapping
from typing import Any

import torch

from space.arch import Arch
from space.weights._entries import Entries
from space.weights._weights import Weights

STAGES = range(1, 5)
HEAD_DIM = 32  # in both papers


def described(entries: Entries, *, head: str, joins: Mapping[int, str], image_size: tuple[int, int] = (224, 224)) -> Weights:
    """The published network with these sizes.

    What shapes do not say is as the two papers have it: heads of 32 channels, stem stride 4 and padding 2, pooling of size 3 where
    a mixer has no weights (no mixing at all has the same names), layer norm where any mixer is attention or a separable
    convolution and otherwise group norm, eps 1e-5 where norms have a shift and 1e-6 where they have none. `joins`: each
    stage's option.
    """
    entries.split_attention()
    for name in [name for name in entries.tensors if name.endswith((".expand.weight", ".reduce.weight"))]:
        entries.tensors[name] = as_linear(entries.tensors[name])
    stages = {f"stage{i}": stage(entries, f"stage{i}", joins[i]) for i in STAGES}
    mixers = {name_of(fields["mixer"]) for fields in stages.values()}
    norm = "layernorm" if mixers & {"attention", "separable_conv"} else "groupnorm"
    later = {} if "stage1.blocks.0.mixer_norm.bias" in entries else {"eps": 1e-6, "affine": "scale"}
    arch = {
        "stem": [entries.kernel("stage1.embed.conv.weight"), 4, 2],
        "norm": {"name": norm, **later},
        "activation": "star_relu" if "stage1.blocks.0.ffn.activation.scale" in entries else "gelu",
        "head": head,
        **stages,
    }
    missing = () if "head.classifier.weight" in entries else ("head.classifier" if "head.norm.weight" in entries else "head",)
    classes = 1 if missing else entries.shape("head.classifier.weight")[0]
    return Weights(entries.source, Arch.make("metaformer", arch), classes, image_size, entries.tensors, missing=missing)


def as_linear(tensor: torch.Tensor) -> torch.Tensor:
    """(O, C, 1, 1) -> (O, C): a 1x1 convolution as the linear layer that it is."""
    return tensor.flatten(1) if tensor.shape[2:] == (1, 1) else tensor


def name_of(option: str | Mapping[str, Any]) -> str:
    return option if isinstance(option, str) else option["name"]


def stage(entries: Entries, place: str, join: str) -> dict[str, Any]:
    block = f"{place}.blocks.0"
    dim = entries.shape(f"{block}.mixer_norm.weight")[0]
    depth = entries.depth(f"{place}.blocks")
    bias = "all" if f"{block}.ffn.expand.bias" in entries else "none"
    return {
        "dim": dim,
        "depth": depth,
        "embed": {"name": "conv", **embed_norm(entries, place)},
        "position": "learned" if f"{place}.position.table" in entries else "identity",
        "mixer": mixer(entries, f"{block}.mixer", dim),
        "ffn": {"name": "mlp", "ratio": entries.shape(f"{block}.ffn.expand.weight")[0] // dim, "bias": bias},
        "join": join,
    }


def embed_norm(entries: Entries, place: str) -> dict[str, Any]:
    """After the stem's convolution, before the later ones."""
    if f"{place}.embed.norm.weight" not in entries:
        return {"norm": "identity"}
    affine = "scale_and_shift" if f"{place}.embed.norm.bias" in entries else "scale"
    order = "conv_norm" if place == "stage1" else "norm_conv"
    return {"norm": {"name": "layernorm", "eps": 1e-6, "affine": affine}, "order": order}


def mixer(entries: Entries, place: str, dim: int) -> dict[str, Any] | str:
    if f"{place}.query.weight" in entries:
        bias = "all" if f"{place}.query.bias" in entries else "output" if f"{place}.output.bias" in entries else "none"
        return {"name": "attention", "heads": max(dim // HEAD_DIM, 1), "bias": bias}
    if f"{place}.expand.weight" in entries:
        expansion = entries.shape(f"{place}.expand.weight")[0] // dim
        return {"name": "separable_conv", "kernel": entries.kernel(f"{place}.depthwise.weight"), "expansion": expansion}
    return "spatial_fc" if f"{place}.weight" in entries else {"name": "pool", "size": 3}
