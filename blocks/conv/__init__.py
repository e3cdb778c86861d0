"""Convolutions with their norm and activation: the layer that a convolutional network repeats.

Contract: `Option(channels, dim, stride, norm, activation, *, choices)`, norm and activation the network's options;
(B, channels, H, W) -> (B, dim, h, w), sides divided by the stride and rounded up, channels_last in and out."""

from typing import Annotated

from registry import Option, Slot, import_siblings

CONV = Slot("conv")
Conv = Annotated[Option, CONV]

import_siblings(__name__)
