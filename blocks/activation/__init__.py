"""Activations: what a layer does to each value.

Contract: `Option(inplace=False)`; a tensor of any shape -> the same shape. `inplace`: nothing else reads the input, so the output
may be written over it; an option that cannot need not take it."""

from typing import Annotated

from registry import Option, Slot, import_siblings

ACTIVATION = Slot("activation")
Activation = Annotated[Option, ACTIVATION]

import_siblings(__name__)
