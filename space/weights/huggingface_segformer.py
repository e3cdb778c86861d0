"""SegFormer weights as the transformers library has them, in our `segformer` network: segmentation and classification."""

from collections.abc import Mapping
from typing import Any

import torch

from space.arch import Arch
from space.weights._entries import Entries, Names
from space.weights._weights import SOURCES, Source, Weights

SOURCE = "huggingface_segformer"
HEADS = (1, 2, 5, 8)  # of the stages of every published variant, B0 to B5

# Their name -> ours: first the names of published checkpoint files, then those of the library's modules since its version 5.
TABLE = {
    "segformer.encoder.patch_embeddings.{S}.proj": "stage{S}.embed.conv",
    "segformer.encoder.patch_embeddings.{S}.layer_norm": "stage{S}.embed.norm",
    "segformer.encoder.block.{S}.{B}.layer_norm_1": "stage{S}.blocks.{B}.mixer_norm",
    "segformer.encoder.block.{S}.{B}.attention.self.query": "stage{S}.blocks.{B}.mixer.query",
    "segformer.encoder.block.{S}.{B}.attention.self.key": "stage{S}.blocks.{B}.mixer.key",
    "segformer.encoder.block.{S}.{B}.attention.self.value": "stage{S}.blocks.{B}.mixer.value",
    "segformer.encoder.block.{S}.{B}.attention.self.sr": "stage{S}.blocks.{B}.mixer.shrink.reduce",
    "segformer.encoder.block.{S}.{B}.attention.self.layer_norm": "stage{S}.blocks.{B}.mixer.shrink.norm",
    "segformer.encoder.block.{S}.{B}.attention.output.dense": "stage{S}.blocks.{B}.mixer.output",
    "segformer.encoder.block.{S}.{B}.layer_norm_2": "stage{S}.blocks.{B}.ffn_norm",
    "segformer.encoder.block.{S}.{B}.mlp.dense1": "stage{S}.blocks.{B}.ffn.expand",
    "segformer.encoder.block.{S}.{B}.mlp.dwconv.dwconv": "stage{S}.blocks.{B}.ffn.depthwise.convs.0",
    "segformer.encoder.block.{S}.{B}.mlp.dense2": "stage{S}.blocks.{B}.ffn.reduce",
    "segformer.encoder.layer_norm.{S}": "stage{S}.norm",
    "decode_head.linear_c.{B}.proj": "decoder.projections.{B}",
    "segformer.stages.{S}.patch_embeddings.proj": "stage{S}.embed.conv",
    "segformer.stages.{S}.patch_embeddings.layer_norm": "stage{S}.embed.norm",
    "segformer.stages.{S}.blocks.{B}.layernorm_before": "stage{S}.blocks.{B}.mixer_norm",
    "segformer.stages.{S}.blocks.{B}.attention.q_proj": "stage{S}.blocks.{B}.mixer.query",
    "segformer.stages.{S}.blocks.{B}.attention.k_proj": "stage{S}.blocks.{B}.mixer.key",
    "segformer.stages.{S}.blocks.{B}.attention.v_proj": "stage{S}.blocks.{B}.mixer.value",
    "segformer.stages.{S}.blocks.{B}.attention.sequence_reduction.sequence_reduction": "stage{S}.blocks.{B}.mixer.shrink.reduce",
    "segformer.stages.{S}.blocks.{B}.attention.sequence_reduction.layer_norm": "stage{S}.blocks.{B}.mixer.shrink.norm",
    "segformer.stages.{S}.blocks.{B}.attention.o_proj": "stage{S}.blocks.{B}.mixer.output",
    "segformer.stages.{S}.blocks.{B}.layernorm_after": "stage{S}.blocks.{B}.ffn_norm",
    "segformer.stages.{S}.blocks.{B}.mlp.fc1": "stage{S}.blocks.{B}.ffn.expand",
    "segformer.stages.{S}.blocks.{B}.mlp.dwconv.dwconv": "stage{S}.blocks.{B}.ffn.depthwise.convs.0",
    "segformer.stages.{S}.blocks.{B}.mlp.fc2": "stage{S}.blocks.{B}.ffn.reduce",
    "segformer.stages.{S}.layer_norm": "stage{S}.norm",
    "decode_head.linear_projections.{B}.proj": "decoder.projections.{B}",
    "decode_head.linear_fuse": "decoder.fusion.fuse",
    "decode_head.batch_norm": "decoder.norm",
    "decode_head.classifier": "decoder.classifier",
}
NAMES = Names(TABLE)


def recognises(state: Mapping[str, Any]) -> bool:
    return any(name.startswith(("segformer.encoder.", "segformer.stages.")) for name in state)


def convert(state: Mapping[str, torch.Tensor]) -> Weights:
    """A state dict of `SegformerForSemanticSegmentation`, or of `SegformerForImageClassification`, which has no decoder; the head
    of the latter (`classifier.*`) has no place in ours and is left out.

    Sizes come from the shapes, the heads (1, 2, 5, 8) from the published variants. Every layer norm has eps 1e-5 there, whatever
    `layer_norm_eps` the file beside it says: the library's network does not read that.
    """
    kept = {name: tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    entries = Entries.renamed(SOURCE, NAMES, kept)
    join_keys_and_values(entries)
    whole = any(name.startswith("decoder.") for name in entries.tensors)
    width = entries.shape("decoder.fusion.fuse.weight")[0] if whole else 256
    stages = {f"stage{i}": stage(entries, f"stage{i}", heads) for i, heads in enumerate(HEADS, 1)}
    return Weights(
        SOURCE,
        Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": "concat", "width": width}}),
        classes=entries.shape("decoder.classifier.weight")[0] if whole else 1,
        image_size=(512, 512),
        state=entries.tensors,
        missing=() if whole else ("decoder",),
    )


def join_keys_and_values(entries: Entries) -> None:
    """Two layers there, one here."""
    for name in [name for name in entries.tensors if ".mixer.key." in name]:
        value = name.replace(".key.", ".value.")
        entries.shape(value)
        joint = torch.cat([entries.tensors.pop(name), entries.tensors.pop(value)])
        entries.tensors[name.replace(".key.", ".key_value.")] = joint


def stage(entries: Entries, place: str, heads: int) -> dict[str, Any]:
    dim, block = entries.shape(f"{place}.embed.norm.weight")[0], f"{place}.blocks.0"
    reduce = f"{block}.mixer.shrink.reduce.weight"
    ratio = entries.shape(f"{block}.ffn.expand.weight")[0] // dim
    return {
        "dim": dim,
        "depth": entries.depth(f"{place}.blocks"),
        "embed": "conv",
        "mixer": {
            "name": "attention",
            "heads": heads,
            "kv": {"name": "conv", "reduction": entries.kernel(reduce) if reduce in entries else 1},
        },
        "ffn": {"name": "mix", "ratio": ratio, "kernels": [entries.kernel(f"{block}.ffn.depthwise.convs.0.weight")]},
    }


SOURCES.register(SOURCE)(Source(recognises, convert))
