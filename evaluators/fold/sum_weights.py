"""SegFormer's sum decoder: the weights of the sum and the batch norm after it go into the projections.

Between them stands only bilinear upsampling, whose weights add up to 1 at every place: what scales or shifts a channel before it
does the same after it. Source: BoostFormer (final-project-level3-cv-16).
"""

import torch

from blocks.fusion.sum import SumFusion
from evaluators.fold import FOLDS, Fold, Foldable, left_out
from evaluators.fold._flow import Part, scaled_outputs
from evaluators.fold.batchnorm import affine
from space.networks.segformer import Decoder


@torch.no_grad()
def folded(given: Foldable) -> tuple[Foldable, int]:
    """The norm's scale into all projections, each times its weight of the sum; its shift into the first, as it is added once."""
    decoder = getattr(given.network, "decoder", None)
    if not isinstance(decoder, Decoder) or not isinstance(decoder.fusion, SumFusion):
        return given, 0
    scale, shift = affine(decoder.norm)
    for n, (projection, weight) in enumerate(zip(decoder.projections, decoder.fusion.weight.double(), strict=True)):
        scaled_outputs(Part(projection, 0), weight * scale, shift if n == 0 else None)
    decoder.fusion, decoder.norm = left_out(decoder.fusion), left_out(decoder.norm)
    return given, 1


FOLDS.register("sum_weights")(Fold(folded, "the decoder's weighted sum and its norm into the projections"))
