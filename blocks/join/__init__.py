"""Joins: how a branch comes back to the map it left.

Contract: `Option(dim, *, choices)`; called with (x, branch), both (B, dim, H, W) -> (B, dim, H, W), channels_last in and out.
The branch comes with stochastic depth applied."""

from typing import Annotated

from registry import Option, Slot, import_siblings

JOIN = Slot("join")
Join = Annotated[Option, JOIN]

import_siblings(__name__)
