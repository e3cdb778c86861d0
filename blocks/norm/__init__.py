"""Norms of maps.

Contract: `Option(channels)`; (B, channels, H, W) -> the same shape, eps 1e-5."""

from typing import Annotated

from registry import Option, Slot, import_siblings

NORM = Slot("norm")
Norm = Annotated[Option, NORM]

import_siblings(__name__)
