"""Token mixers: how positions of a map exchange information.

Contract: `Option(dim, *, choices)`; (B, dim, H, W) -> (B, dim, H, W), any H and W, channels_last in and out.
The mixer is a branch: the block adds the residual. Two class attributes tell the block how to wrap it:
`norm` names the option of blocks/norm that belongs with it, `layer_scale` is the initial value of the
per-channel scale on both branches of its block (None: no scale)."""

from typing import Annotated

from registry import Option, Slot, import_siblings

MIXER = Slot("mixer")
Mixer = Annotated[Option, MIXER]

import_siblings(__name__)
