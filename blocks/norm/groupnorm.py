"""Group normalisation with one group."""

from torch import nn

from blocks.norm import NORM, Affine


@NORM.register("groupnorm")
class GroupNorm(nn.GroupNorm):
    """Normalise each image over all channels and positions together. Shapes: (B, C, H, W) -> (B, C, H, W).
    Source: arXiv 2111.11418 (PoolFormer's norm)."""

    def __init__(self, channels: int, *, eps: float = 1e-5, affine: Affine = "scale_and_shift"):
        super().__init__(1, channels, eps=eps)
        if affine == "scale":
            self.bias = None
