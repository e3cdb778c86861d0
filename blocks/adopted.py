"""What a block makes of the weights of another block, where one computes what the other does.

A block may have a method `adopted(self, source: nn.Module) -> Adopted | None`; `source` is the block that stands at its place in
the checkpoint's network. None: these two have no such transform, and the block's tensors are taken as they are or stay fresh.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Adopted:
    """Tensors under their names in the adopting block, with which it computes exactly what the source does, and in words `how` they
    came about (which also says where a transform is not exact)."""

    tensors: Mapping[str, torch.Tensor]
    how: str
