"""SegFormer's decoder: concatenation and its convolution as a sum, which costs a fraction. Nothing non-linear stands between."""

import torch

from evaluators.fold import FOLDS, Fold, Foldable
from space import Arch, build
from space.weights import Weights, take


def folded(given: Foldable) -> tuple[Foldable, int]:
    """The architecture with a sum in the decoder, the convolution's slices multiplied into the projections (as the network itself
    adopts weights); as it is where there is no such decoder."""
    if given.arch.network != "segformer" or given.arch != fused_by(given.arch, "concat"):
        return given, 0
    arch = fused_by(given.arch, "sum")
    weights = Weights("fold", given.arch, given.classes, given.image_size, given.network.state_dict(), given.width)
    with torch.random.fork_rng(devices=[]):
        network = build(arch, given.classes, image_size=given.image_size, width=given.width)
    taken = take(network, weights)
    assert not taken.fresh, taken.summary
    return Foldable(network.eval(), arch, given.classes, given.image_size, given.width), 1


def fused_by(arch: Arch, fusion: str) -> Arch:
    """The architecture with that fusion in its decoder."""
    return Arch.make(arch.network, {**arch.arch, "decoder": {**arch.arch["decoder"], "fusion": fusion}})


FOLDS.register("concat_to_sum")(Fold(folded, "the decoder's concatenation as a sum", rewrites=True))
