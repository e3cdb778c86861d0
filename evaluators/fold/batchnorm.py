"""Batch norms into the layer before them, else into the one after: in evaluation each is a scale and a shift."""

import torch
from torch import nn

from evaluators.fold import FOLDS, Fold, Foldable
from evaluators.fold._flow import ATEN, Flow, scaled_inputs, scaled_outputs


def folded(given: Foldable) -> tuple[Foldable, int]:
    """Leave out every norm whose input comes from layers that nothing else reads, also side by side, or whose output goes into one
    without a border alone (a border is zeros after the norm, and would be others before it). A norm on the residual path stays."""
    flow, places = Flow(given.network, given.image_size), 0
    for node in flow.calls(ATEN.batch_norm.default):
        name, norm = flow.owner(node.args[3])
        if not isinstance(norm, nn.modules.batchnorm._BatchNorm):
            continue
        scale, shift = affine(norm)
        if (parts := flow.sources(node.args[0], 1)) is not None:
            for part in parts:
                scaled_outputs(part, scale, shift)
        elif (reader := flow.reader(node, 1)) is not None:
            scaled_inputs(reader, scale, shift)
        else:
            continue
        given.network.set_submodule(name, nn.Identity())
        places += 1
    return given, places


@torch.no_grad()
def affine(norm: nn.modules.batchnorm._BatchNorm) -> tuple[torch.Tensor, torch.Tensor]:
    """The scale and the shift of each channel."""
    mean, scale = norm.running_mean.double(), (norm.running_var.double() + norm.eps).rsqrt()
    if norm.weight is None:
        return scale, -mean * scale
    scale = scale * norm.weight.double()
    return scale, norm.bias.double() - mean * scale


FOLDS.register("batchnorm")(Fold(folded, "batch norms into convolutions and linear layers"))
