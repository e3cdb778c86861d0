"""Layer normalisation over the channels of a map."""

from timm.layers import LayerNorm2d

from blocks.norm import NORM, Affine


@NORM.register("layernorm")
class LayerNorm(LayerNorm2d):
    """Normalise each position over its channels, as transformers do with tokens. Shapes: (B, C, H, W) -> (B, C, H, W).
    On channels_last maps it makes no copy. Source: arXiv 1607.06450."""

    def __init__(self, channels: int, *, eps: float = 1e-5, affine: Affine = "scale_and_shift"):
        super().__init__(channels, eps=eps, bias=affine == "scale_and_shift")
