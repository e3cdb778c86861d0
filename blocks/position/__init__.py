"""Position embeddings: what tells positions of a map apart where the layers behind it could not.

Contract: `Option(dim, grid, *, choices)`, grid the (height, width) of the map at the network's image size;
(B, dim, H, W) -> the same shape, any H and W, channels_last in and out."""

from typing import Annotated

from registry import Option, Slot, import_siblings

POSITION = Slot("position")
Position = Annotated[Option, POSITION]

import_siblings(__name__)
