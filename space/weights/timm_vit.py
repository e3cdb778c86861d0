"""timm's vision transformers in our `vit` network: ViT, DeiT with and without distillation, DeiT III. The files that DeiT's authors
published have the same names."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from space.arch import Arch
from space.weights._entries import Entries, Names
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "timm_vit"
HEADS = {1280: 16, 1408: 16, 1664: 16}  # by width; others have heads of 64 channels
APART = ("cls_token", "dist_token", "pos_embed")

NAMES = Names(
    {
        "patch_embed.proj": "embed.conv",
        "blocks.{B}.norm1": "layers.{B}.mixer_norm",
        "blocks.{B}.attn.qkv": "layers.{B}.mixer.qkv",
        "blocks.{B}.attn.proj": "layers.{B}.mixer.output",
        "blocks.{B}.ls1.gamma": "layers.{B}.mixer_join.scale",
        "blocks.{B}.norm2": "layers.{B}.ffn_norm",
        "blocks.{B}.mlp.fc1": "layers.{B}.ffn.expand",
        "blocks.{B}.mlp.fc2": "layers.{B}.ffn.reduce",
        "blocks.{B}.ls2.gamma": "layers.{B}.ffn_join.scale",
        "norm": "norm",
        "head": "classifiers.0",
        "head_dist": "classifiers.1",
    }
)


def recognises(state: Mapping[str, Any]) -> bool:
    return all(name in state for name in ("patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "pos_embed", "cls_token"))


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of timm's `VisionTransformer` that reads a class token. GELU, norms before the branches with eps 1e-6 and a
    square grid of patches are taken for granted; what has further parts (a norm before the layers, registers, a mean of the
    patches) is refused by the names of these parts."""
    entries = Entries.renamed(SOURCE, NAMES, {name: tensor for name, tensor in state.items() if name not in APART})
    entries.split_attention()
    side = add_positions(entries, state)
    dim, patch = entries.shape("embed.conv.weight")[0], entries.kernel("embed.conv.weight")
    layers = {f"layer{n}": layer(entries, dim) for n in range(1, entries.depth("layers") + 1)}
    arch = {
        "dim": dim,
        "patch": patch,
        "norm": {"name": "layernorm", "eps": 1e-6},
        "join": "layer_scale" if "layers.0.mixer_join.scale" in entries else "plain",
        "readout": "distilled" if "dist_token" in state else "class",
        **layers,
    }
    missing = () if "classifiers.0.weight" in entries else ("classifiers",)
    classes = 1 if missing else entries.shape("classifiers.0.weight")[0]
    size = (side * patch, side * patch)
    return Weights(SOURCE, Arch.make("vit", arch), classes, size, entries.tensors, missing=missing)


def add_positions(entries: Entries, state: Mapping[str, torch.Tensor]) -> int:
    """Tokens and positions in our form; the side of the grid. Tokens without rows in the table (DeiT III) get zeros."""
    tokens = torch.cat([state[name].flatten(0, 1) for name in ("cls_token", "dist_token") if name in state])
    rows = state["pos_embed"].squeeze(0)
    count = len(tokens) if math.isqrt(len(rows) - len(tokens)) ** 2 == len(rows) - len(tokens) else 0
    side = math.isqrt(len(rows) - count)
    if state["pos_embed"].dim() != 3 or side**2 != len(rows) - count:
        shape = tuple(state["pos_embed"].shape)
        raise ValueError(f"{SOURCE}: 'pos_embed' is {shape}; allowed: (1, tokens + N, channels) with N a square")
    entries.tensors["tokens"] = tokens
    entries.tensors["token_positions"] = rows[:count] if count else torch.zeros_like(tokens)
    entries.tensors["position.table"] = rows[count:].T.unflatten(1, (side, side)).unsqueeze(0)  # (N, C) -> (1, C, side, side)
    return side


def layer(entries: Entries, dim: int) -> dict[str, Any]:
    bias = "all" if "layers.0.mixer.query.bias" in entries else "output"
    ratio = entries.shape("layers.0.ffn.expand.weight")[0] // dim
    heads = HEADS.get(dim, max(dim // 64, 1))
    return {"mixer": {"name": "attention", "heads": heads, "bias": bias}, "ffn": {"name": "mlp", "ratio": ratio}}


SOURCES.register(SOURCE)(Source(recognises, convert))
