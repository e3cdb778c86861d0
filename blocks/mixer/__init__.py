"""Token mixers: how positions of a map exchange information.

Contract: `Option(dim, grid, activation, *, choices)`; (B, dim, H, W) -> (B, dim, H, W), channels_last in and out. `grid` is the
(height, width) of the map at the network's image size: a mixer with weights for each position needs it and takes maps of that
size alone, all others take any H and W and leave it out. `activation` is the network's option; a network without one (segformer)
offers none, so a mixer that takes it has a default.
The mixer is a branch: the block adds the residual. Class attributes tell the block how to wrap it:
A mixer that compares positions may take two more maps, for networks that offer them (`registry.named_by`): `placed`, the map with
a code of positions added, of which it makes its comparisons, and `real` (B, H * W), False where a position is padding.
`norm` names the option of blocks/norm that belongs with it and `join` the option of blocks/join, where the network does not choose
them itself. `reads_neighbours`: False where the layout of the map means nothing to it, so that it works on tokens in any row."""

from typing import Annotated

from registry import Option, Slot, import_siblings

MIXER = Slot("mixer")
Mixer = Annotated[Option, MIXER]

import_siblings(__name__)
