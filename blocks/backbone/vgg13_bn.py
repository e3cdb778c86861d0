"""VGG of 13 layers, with batch norm."""

from typing import Literal

from blocks.backbone import BACKBONE
from blocks.vgg import Vgg

PLANS = ((64, 64, "M"), (128, 128, "M"), (256, 256, "M"), (512, 512, "M", 512, 512, "M"))


@BACKBONE.register("vgg13_bn")
class Vgg13(Vgg):
    """10 convolutions, stages that end with their pooling: maps of 64, 128, 256 and 512 channels at strides 2, 4, 8 and 32.
    Source: arXiv 1409.1556, cut up as in level2-3-cv-finalproject-cv-07."""

    def __init__(self, *, norm: Literal["kept", "removed"] = "kept", width: float = 1.0):
        super().__init__(PLANS, norm=norm, width=width)
