"""Activations: what a layer does to each value.

Contract: `Option()`, no context; a tensor of any shape -> the same shape."""

from typing import Annotated

from registry import Option, Slot, import_siblings

ACTIVATION = Slot("activation")
Activation = Annotated[Option, ACTIVATION]

import_siblings(__name__)
