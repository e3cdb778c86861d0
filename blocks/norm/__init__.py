"""Norms of maps.

Contract: `Option(channels, *, choices)`; (B, channels, H, W) -> the same shape, channels_last in and out.
`affine` says what follows the normalisation: a scale and a shift for each channel, or the scale alone."""

from typing import Annotated, Literal

from registry import Option, Slot, import_siblings

NORM = Slot("norm")
Norm = Annotated[Option, NORM]
Affine = Literal["scale_and_shift", "scale"]

import_siblings(__name__)
