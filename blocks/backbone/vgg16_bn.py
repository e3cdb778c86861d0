"""VGG of 16 layers, with batch norm."""

from typing import Literal

from blocks.backbone import BACKBONE
from blocks.vgg import Vgg

PLANS = ((64, 64, "M", 128, 128), ("M", 256, 256, 256), ("M", 512, 512, 512), ("M", 512, 512, 512))


@BACKBONE.register("vgg16_bn")
class Vgg16(Vgg):
    """13 convolutions: maps of 128, 256, 512 and 512 channels at strides 2, 4, 8 and 16.
    Source: arXiv 1409.1556, cut up as in arXiv 2308.13814 (PET)."""

    def __init__(self, *, norm: Literal["kept", "removed"] = "kept", width: float = 1.0):
        super().__init__(PLANS, norm=norm, width=width)
