"""timm's MetaFormer weights in our `metaformer` network: PoolFormer, PoolFormerV2, ConvFormer, CAFormer."""

from collections.abc import Mapping
from typing import Any

import torch

from space.weights._entries import Entries, Names
from space.weights._metaformer import STAGES, described
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "timm_metaformer"
OURS = "stage{S}.blocks.{B}"
THEIRS = "stages.{S}.blocks.{B}"

NAMES = Names(
    {
        "stem.conv": "stage1.embed.conv",
        "stem.norm": "stage1.embed.norm",
        "stages.{S}.downsample.conv": "stage{S}.embed.conv",
        "stages.{S}.downsample.norm": "stage{S}.embed.norm",
        f"{THEIRS}.norm1": f"{OURS}.mixer_norm",
        f"{THEIRS}.norm2": f"{OURS}.ffn_norm",
        f"{THEIRS}.token_mixer.qkv": f"{OURS}.mixer.qkv",
        f"{THEIRS}.token_mixer.proj": f"{OURS}.mixer.output",
        f"{THEIRS}.token_mixer.pwconv1": f"{OURS}.mixer.expand",
        f"{THEIRS}.token_mixer.act1": f"{OURS}.mixer.activation",
        f"{THEIRS}.token_mixer.dwconv": f"{OURS}.mixer.depthwise",
        f"{THEIRS}.token_mixer.pwconv2": f"{OURS}.mixer.reduce",
        f"{THEIRS}.mlp.fc1": f"{OURS}.ffn.expand",
        f"{THEIRS}.mlp.act": f"{OURS}.ffn.activation",
        f"{THEIRS}.mlp.fc2": f"{OURS}.ffn.reduce",
        f"{THEIRS}.layer_scale1": f"{OURS}.mixer_join",
        f"{THEIRS}.layer_scale2": f"{OURS}.ffn_join",
        f"{THEIRS}.res_scale1": f"{OURS}.mixer_join",
        f"{THEIRS}.res_scale2": f"{OURS}.ffn_join",
        "head.norm": "head.norm",
        "head.fc": "head.classifier",
        "head.fc.fc1": "head.expand",
        "head.fc.norm": "head.hidden_norm",
        "head.fc.fc2": "head.classifier",
    }
)


def recognises(state: Mapping[str, Any]) -> bool:
    return "stem.conv.weight" in state and "stages.0.blocks.0.norm1.weight" in state and "stages.0.blocks.0.mlp.fc1.weight" in state


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of timm's `MetaFormer`. Its head takes the mean of the map and then norms it (`pool_norm`), for PoolFormer too,
    whose authors do it in the other order."""
    entries = Entries.renamed(SOURCE, NAMES, state)
    for i in STAGES:
        if i > 1 and f"stage{i}.embed.conv.weight" not in entries:
            why = "timm leaves it out between stages of equal width, no network of ours does"
            raise ValueError(f"{SOURCE}: 'stages.{i - 1}.downsample.conv.weight' is missing; {why}")
    joins = {i: join(state, f"stages.{i - 1}.blocks.0") for i in STAGES}
    return described(entries, head="mlp" if "head.expand.weight" in entries else "pool_norm", joins=joins)


def join(state: Mapping[str, torch.Tensor], block: str) -> str:
    if f"{block}.layer_scale1.scale" in state:
        return "layer_scale"
    return "residual_scale" if f"{block}.res_scale1.scale" in state else "plain"


SOURCES.register(SOURCE)(Source(recognises, convert))
