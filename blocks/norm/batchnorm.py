"""Batch normalisation of maps."""

from torch import nn

from blocks.norm import NORM


@NORM.register("batchnorm")
class BatchNorm(nn.BatchNorm2d):
    """Normalise each channel over the batch and the map. `momentum` is the share of a new batch in the running mean and variance.
    Shapes: (B, C, H, W) -> (B, C, H, W).
    Needs: more than one value a channel when training. Source: arXiv 1502.03167."""

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__(channels, eps=eps, momentum=momentum)
