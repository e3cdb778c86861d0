"""Backbones: classifiers' networks without their heads, read at four places.

Contract: `Option(*, choices)`; modules `stage1` ... `stage4`, each an `nn.Sequential`; `maps(image (B, 3, H, W))` yields the
outputs of the four, the finest first, of `channels` channels; their strides are the option's affair. `width` is an argument of
every option: a factor of its channels. A class that says `thin = True` has so few that the training proxy leaves them all."""

from typing import Annotated

from registry import Option, Slot, import_siblings

BACKBONE = Slot("backbone")
Backbone = Annotated[Option, BACKBONE]

import_siblings(__name__)
