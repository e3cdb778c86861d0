"""A detector's distance from its teacher's raw output, cell by cell, as sums over a batch."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.detection.cells import cells, decode, iou
from evaluators.detection.losses import BOX_WEIGHT
from evaluators.distill.divergence import of_chances


@dataclass(frozen=True)
class Imitations:
    """Sums, each a scalar that gradients flow through. `box` is weighted; `objects` is the sum of the teacher's objectness."""

    box: Tensor
    objectness: Tensor
    classes: Tensor
    objects: float

    @property
    def total(self) -> Tensor:
        return self.box + self.objectness + self.classes


def imitations(output: Tensor, taught: Tensor, *, size: tuple[int, int], temperature: float) -> Imitations:
    """Raw outputs (B, N, 5 + K) of images of `size` (height, width), in float32.

    box: 5 x (1 - IoU^2) with the teacher's box, objectness and classes: divergences of chances. All but objectness are weighted by
    the teacher's objectness: its boxes and classes mean nothing where it sees no object.
    """
    output, taught, grid = output.float(), taught.float(), cells(size, output.device)
    certain = taught[..., 4].sigmoid()
    overlap = iou(decode(output[..., :4], grid), decode(taught[..., :4], grid))
    classes = of_chances(output[..., 5:], taught[..., 5:], temperature=temperature).sum(-1)
    return Imitations(
        box=BOX_WEIGHT * ((1 - overlap**2) * certain).sum(),
        objectness=of_chances(output[..., 4], taught[..., 4], temperature=temperature).sum(),
        classes=(classes * certain).sum(),
        objects=float(torch.sum(certain)),
    )
