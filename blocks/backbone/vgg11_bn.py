"""VGG of 11 layers, with batch norm."""

from typing import Literal

from blocks.backbone import BACKBONE
from blocks.vgg import Vgg

PLANS = ((64, "M", 128), ("M", 256, 256), ("M", 512, 512), ("M", 512, 512))


@BACKBONE.register("vgg11_bn")
class Vgg11(Vgg):
    """8 convolutions: maps of 128, 256, 512 and 512 channels at strides 2, 4, 8 and 16.
    Source: arXiv 1409.1556; level2-3-cv-finalproject-cv-07 names it, and it is cut up here as its VGG16 is."""

    def __init__(self, *, norm: Literal["kept", "removed"] = "kept", width: float = 1.0):
        super().__init__(PLANS, norm=norm, width=width)
