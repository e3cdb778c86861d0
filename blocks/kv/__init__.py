"""Keys and values: how a map shrinks before attention reads it.

Contract: `Option(dim, *, choices)`; map (B, dim, H, W) -> tokens (B, M, dim); M is the option's affair."""

from typing import Annotated

from registry import Option, Slot, import_siblings

KV = Slot("kv")
Kv = Annotated[Option, KV]

import_siblings(__name__)
