"""SegFormer weights as the transformers library has them, renamed into our `segformer` network."""

import re
from collections.abc import Mapping

import torch

# Their name -> ours: first the names of published checkpoint files, then those of the library's modules since its version 5.
# {S} and {B} count stages and blocks from 0; ours count stages from 1.
NAMES = {
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


def convert(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict of `SegformerForSemanticSegmentation` as one of our `segformer` (baseline choices throughout).

    Keys and values, two layers there, are one here. The head of a classifier (`classifier.*`) has no place in ours and is left
    out; then the result has no decoder either. ValueError names any other entry that is not of a SegFormer.
    """
    renamed = {_renamed(name): tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    for name in [name for name in renamed if ".mixer.key." in name]:
        key, value = renamed.pop(name), renamed.pop(name.replace(".key.", ".value."))
        renamed[name.replace(".key.", ".key_value.")] = torch.cat([key, value])
    return renamed


def _renamed(name: str) -> str:
    module, _, tensor = name.rpartition(".")
    for theirs, ours in NAMES.items():
        pattern = re.escape(theirs).replace(r"\{S\}", r"(?P<S>\d+)").replace(r"\{B\}", r"(?P<B>\d+)")
        if match := re.fullmatch(pattern, module):
            numbers = match.groupdict()
            return ours.format(S=int(numbers.get("S", 0)) + 1, B=numbers.get("B")) + f".{tensor}"
    raise ValueError(f"huggingface_segformer: '{name}' is not an entry of a SegFormer's state dict")
