"""Classification heads: the last map becomes a score for each class.

Contract: `Option(dim, classes, norm)`, norm the network's norm option; (B, dim, H, W) -> logits (B, classes), any H and W.
The linear layer that gives the logits is called `classifier`."""

from typing import Annotated

from registry import Option, Slot, import_siblings

HEAD = Slot("head")
Head = Annotated[Option, HEAD]

import_siblings(__name__)
