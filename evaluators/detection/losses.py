"""YOLOX's losses as sums over a batch, to be divided by the number of matched cells.

Source: arXiv 2107.08430 and github.com/Megvii-BaseDetection/YOLOX.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from evaluators.boxes import Boxes
from evaluators.detection.assign import Rule, assign
from evaluators.detection.cells import Cells, cells, decode, encode, iou, to_centre

BOX_WEIGHT = 5.0


@dataclass(frozen=True)
class Losses:
    """Sums over a batch, each a scalar that gradients flow through. `box` is weighted; `matched` is the number of matched cells."""

    box: Tensor
    objectness: Tensor
    classes: Tensor
    l1: Tensor
    matched: int

    @property
    def total(self) -> Tensor:
        return self.box + self.objectness + self.classes + self.l1


def losses(output: Tensor, target: Boxes, *, rule: Rule, l1: bool) -> Losses:
    """The losses of a batch. output: (B, N, 5 + K) raw, of any float type; the sums are taken in float32.

    box: 5 x (1 - IoU^2) of the matched cells; objectness: binary cross-entropy of all cells, 1 where matched; classes: binary
    cross-entropy of the matched cells against their box's class x IoU; l1: of the raw numbers of the matched cells, or 0.
    Images without boxes have objectness alone. Boxes that a score ignores are learned like any other.
    """
    output, grid = output.float(), cells(target.size, output.device)
    image, cell, truth, labels, overlap = matches(output, target, grid=grid, rule=rule)
    matched, where = output[image, cell], grid[cell]  # (P, 5 + K)
    present = torch.zeros_like(output[..., 4])
    present[image, cell] = 1.0
    wanted = torch.zeros_like(matched[:, 5:]).scatter_(1, labels[:, None], overlap[:, None])
    return Losses(
        box=BOX_WEIGHT * (1 - iou(decode(matched[:, :4], where), truth) ** 2).sum(),
        objectness=F.binary_cross_entropy_with_logits(output[..., 4], present, reduction="sum"),
        classes=F.binary_cross_entropy_with_logits(matched[:, 5:], wanted, reduction="sum"),
        l1=F.l1_loss(matched[:, :4], encode(truth, where), reduction="sum") if l1 else output.new_zeros(()),
        matched=len(cell),
    )


def matches(output: Tensor, target: Boxes, *, grid: Cells, rule: Rule) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The matches of all images, one after another: image (P,), cell (P,), the box (P, 4) as cx, cy, w, h, its label (P,), and
    the overlap (P,) of the prediction with it."""
    found = []
    for index in range(len(target)):
        xyxy, labels, _ = target.of(index)
        if len(labels):
            boxes = to_centre(xyxy)
            match = assign(output[index], boxes, labels, cells=grid, rule=rule)
            found.append((torch.full_like(match.cell, index), match.cell, boxes[match.box], labels[match.box], match.iou))
    if not found:
        none = target.labels.new_zeros(0)
        return none, none, output.new_zeros(0, 4), none, output.new_zeros(0)
    image, cell, boxes, labels, overlap = (torch.cat(parts) for parts in zip(*found, strict=True))
    return image, cell, boxes, labels, overlap
