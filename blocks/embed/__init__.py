"""Patch embeddings: a map of one stage becomes the coarser map of the next.

Contract: `Option(channels, dim, kernel, stride, *, choices)`; (B, channels, H, W) -> (B, dim, h, w) with padding kernel // 2,
so h = (H + 2 * (kernel // 2) - kernel) // stride + 1; normalised over channels, channels_last out."""

from typing import Annotated

from registry import Option, Slot, import_siblings

EMBED = Slot("embed")
Embed = Annotated[Option, EMBED]

import_siblings(__name__)
