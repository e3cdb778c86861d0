"""Feed-forward networks: what happens to the channels after the tokens were mixed.

Contract: `Option(dim, activation, *, choices)`, activation the network's option (one with its own need not take it; one
that takes it has a default, as a network without one offers none);
(B, dim, H, W) -> (B, dim, H, W), any H and W, channels_last in and out.
Class attribute `residual`: True where the block adds the output to its input. False: the option has no branch at all,
so the block leaves out the branch's norm and scale too and never calls it. `reads_neighbours`: False where each position is
computed from itself alone, so that the layout of the map means nothing to it."""

from typing import Annotated

from registry import Option, Slot, import_siblings

FFN = Slot("ffn")
Ffn = Annotated[Option, FFN]

import_siblings(__name__)
