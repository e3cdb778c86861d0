"""The beginning of MobileNetV3-Large."""

from itertools import pairwise
from typing import ClassVar

from torchvision.models import mobilenet_v3_large

from blocks.backbone import BACKBONE
from blocks.stages import Stages

BOUNDS = (0, 2, 4, 6, 7)
"""Where the stages begin among torchvision's `features`; the last is the first layer left out."""


@BACKBONE.register("mobilenet_v3")
class MobileNetV3(Stages):
    """The stem and the first six inverted residuals: maps of 16, 24, 40 and 40 channels at strides 2, 4, 8 and 8. `width`: a factor
    of all channels, which become multiples of 8.
    Source: arXiv 1905.02244, cut off as in level2-3-cv-finalproject-cv-07, in torchvision's layers."""

    thin: ClassVar[bool] = True

    def __init__(self, *, width: float = 1.0):
        if width <= 0:
            raise ValueError(f"backbone: width given {width}; allowed: a number above 0")
        layers = list(mobilenet_v3_large(weights=None, width_mult=width).features)
        stages = [layers[start:stop] for start, stop in pairwise(BOUNDS)]
        super().__init__(stages, [stage[-1].out_channels for stage in stages])
