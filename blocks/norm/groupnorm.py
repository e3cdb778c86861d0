"""Group normalisation with one group."""

from torch import nn

from blocks.norm import NORM


@NORM.register("groupnorm")
class GroupNorm(nn.GroupNorm):
    """Normalise each image over all channels and positions together. Shapes: (B, C, H, W) -> (B, C, H, W).
    Source: arXiv 2111.11418 (PoolFormer's norm)."""

    def __init__(self, channels: int):
        super().__init__(1, channels, eps=1e-5)
