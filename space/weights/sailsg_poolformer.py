"""PoolFormer weights as its authors published them, in our `metaformer` network: PoolFormer and the hybrids of its paper."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch

from space.weights._entries import Entries, Names
from space.weights._metaformer import STAGES, described
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "sailsg_poolformer"
BLOCK = {
    "norm1": "mixer_norm",
    "norm2": "ffn_norm",
    "token_mixer.qkv": "mixer.qkv",
    "token_mixer.proj": "mixer.output",
    "token_mixer.fc": "mixer",
    "mlp.fc1": "ffn.expand",
    "mlp.fc2": "ffn.reduce",
    "layer_scale_1": "mixer_join.scale",
    "layer_scale_2": "ffn_join.scale",
}


def recognises(state: Mapping[str, Any]) -> bool:
    return "patch_embed.proj.weight" in state and any(re.fullmatch(r"network\.\d+\.0\.norm1\.weight", name) for name in state)


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of `sail-sg/poolformer`. Its list `network` holds stages, the embeddings between them and, in the hybrids, a
    table of positions before a stage; which index is which is read from the entries' own names. Its head norms the map and then
    takes the mean (`norm_pool`). Tables and spatial FC fix the image size, 224 where there are none."""
    entries = Entries.renamed(SOURCE, Names(table(state)), state)
    if any(len(shape) != 4 for shape in tables(entries).values()):
        raise ValueError(f"{SOURCE}: a table of positions has to be (1, channels, height, width)")
    joins = {i: "layer_scale" if f"stage{i}.blocks.0.mixer_join.scale" in entries else "plain" for i in STAGES}
    return described(entries, head="norm_pool", joins=joins, image_size=image_size(entries))


def table(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Their names -> ours, for the indices that this checkpoint has."""
    names = {"patch_embed.proj": "stage1.embed.conv", "norm": "head.norm", "head": "head.classifier"}
    indices = sorted({int(match[1]) for name in state if (match := re.match(r"network\.(\d+)\.", name))})
    stage = 1
    for i in indices:
        place = f"network.{i}"
        if f"{place}.proj.weight" in state:
            stage += 1
            names[f"{place}.proj"] = f"stage{stage}.embed.conv"
        elif f"{place}.pos_embed" in state:
            names[f"{place}.pos_embed"] = f"stage{stage}.position.table"
        else:
            names |= {f"{place}.{{B}}.{theirs}": f"stage{stage}.blocks.{{B}}.{ours}" for theirs, ours in BLOCK.items()}
    return names


def tables(entries: Entries) -> dict[int, tuple[int, ...]]:
    """The shapes of the tables of positions, by stage."""
    names = {i: f"stage{i}.position.table" for i in STAGES}
    return {i: entries.shape(name) for i, name in names.items() if name in entries}


def image_size(entries: Entries) -> tuple[int, int]:
    """The (height, width) whose maps have as many positions as the layers that know each one."""
    for i, shape in tables(entries).items():
        return shape[2] * stride(i), shape[3] * stride(i)
    for i in STAGES:
        if f"stage{i}.blocks.0.mixer.weight" in entries:
            side = math.isqrt(entries.shape(f"stage{i}.blocks.0.mixer.weight")[0])
            return side * stride(i), side * stride(i)
    return 224, 224


def stride(stage: int) -> int:
    """Pixels of the image to one position of a stage's map."""
    return 2 ** (stage + 1)


SOURCES.register(SOURCE)(Source(recognises, convert))
