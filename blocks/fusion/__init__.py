"""Fusions: several maps of one shape become one.

Contract: `Option(count, width, *, choices)`; a list of `count` maps (B, width, H, W), finest stage first -> (B, width, H, W)."""

from typing import Annotated

from registry import Option, Slot, import_siblings

FUSION = Slot("fusion")
Fusion = Annotated[Option, FUSION]

import_siblings(__name__)
