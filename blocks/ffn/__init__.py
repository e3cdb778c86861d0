"""Feed-forward networks: what happens to the channels after the tokens were mixed.

Contract: `Option(dim, *, choices)`; (B, dim, H, W) -> (B, dim, H, W), any H and W, channels_last in and out.
Class attribute `residual`: True where the block adds the output to its input. False: the option has no branch at all,
so the block leaves out the branch's norm and scale too and never calls it."""

from typing import Annotated

from registry import Option, Slot, import_siblings

FFN = Slot("ffn")
Ffn = Annotated[Option, FFN]

import_siblings(__name__)
