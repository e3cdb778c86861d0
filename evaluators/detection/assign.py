"""SimOTA: which cells of an image learn which of its boxes. Source: arXiv 2107.08430 and github.com/Megvii-BaseDetection/YOLOX."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evaluators.detection.cells import Cells, decode, iou

MOST = 10
"""The most cells that one box may get."""


@dataclass(frozen=True)
class Rule:
    """Where a box may look for cells: a cell's centre lies within `radius` strides of the box's centre, on each axis. With
    `inside`, cells inside a box are candidates too, and those that are both inside and within the radius are preferred.
    `penalty` is the cost of a candidate that the box does not prefer."""

    radius: float
    inside: bool
    penalty: float


RULES: Mapping[str, Rule] = {
    "upstream": Rule(radius=1.5, inside=False, penalty=1e6),
    "team_older": Rule(radius=2.5, inside=True, penalty=1e5),
}
"""upstream: YOLOX since January 2023 (commit 14c62a7); team_older: YOLOX before, release 0.3.0 included, which the team that
published VOC figures of nano's variants trained with."""


@dataclass(frozen=True)
class Matches:
    """P cells with a box each: cell (P,) and box (P,) are indices, iou (P,) the overlap of the cell's prediction with the box."""

    cell: Tensor
    box: Tensor
    iou: Tensor


@torch.no_grad()
def assign(output: Tensor, boxes: Tensor, labels: Tensor, *, cells: Cells, rule: Rule) -> Matches:
    """The matches of one image. output: (N, 5 + K) raw; boxes: (M, 4) cx, cy, w, h in pixels; labels: (M,) class ids.

    Float32 whatever the output's type. Not-a-number in the output reads as 0, so that the choice is defined; the loss shows it.
    """
    near, preferred = geometry(boxes, cells, rule)
    candidate = near.any(0).nonzero().squeeze(1)
    raw, preferred = output[candidate].float().nan_to_num(), preferred[:, candidate]
    overlap = iou(boxes[:, None], decode(raw[:, :4], cells[candidate]))  # (M, C)
    cost = class_cost(raw, labels) - 3.0 * (overlap + 1e-8).log() + rule.penalty * ~preferred
    column, box = match(cost, overlap)
    return Matches(candidate[column], box, overlap[box, column])


def geometry(boxes: Tensor, cells: Cells, rule: Rule) -> tuple[Tensor, Tensor]:
    """(M, N) which cells each box makes candidates, and which it prefers. All comparisons are strict: a cell whose centre lies
    on the edge is outside."""
    distance = (cells.centre - boxes[:, None, :2]).abs()  # (M, N, 2)
    close = (distance < rule.radius * cells.stride).all(-1)
    if not rule.inside:
        return close, close
    within = (distance < boxes[:, None, 2:] / 2).all(-1)
    return within | close, within & close


def class_cost(raw: Tensor, labels: Tensor) -> Tensor:
    """(M, C) binary cross-entropy, summed over the classes, of sqrt(class x objectness) at C cells against M one-hot labels.

    As one sum over the classes that treats all as absent, and a correction for the one that is there: M x C x K numbers never
    exist at once. Logarithms end at -100, as in torch's own loss.
    """
    chance = (raw[:, 5:].sigmoid() * raw[:, 4:5].sigmoid()).sqrt()
    present, absent = -chance.log().clamp(min=-100), -torch.log1p(-chance).clamp(min=-100)  # (C, K)
    return (absent.sum(1, keepdim=True) + (present - absent)[:, labels]).T


def match(cost: Tensor, overlap: Tensor) -> tuple[Tensor, Tensor]:
    """The columns (P,) that some box takes, ascending, and the box (P,) of each, from (M, C) costs and overlaps.

    A box takes as many of its cheapest cells as the overlaps of its ten best add up to, and at least one. A cell taken twice goes
    to the box that it costs least, even one that had not taken it.
    """
    if not cost.numel():
        return cost.new_zeros(0, dtype=torch.long), cost.new_zeros(0, dtype=torch.long)
    most = min(MOST, cost.shape[1])
    wanted = overlap.topk(most, 1).values.sum(1, keepdim=True).long().clamp(1, most)
    taken = cost <= cost.topk(most, 1, largest=False).values.gather(1, wanted - 1)
    for row in (taken.sum(1, keepdim=True) > wanted).any(1).nonzero().flatten().tolist():
        # equal costs at the limit, rare without a penalty: topk chooses among them, as in YOLOX's own code
        taken[row] = False
        taken[row, cost[row].topk(int(wanted[row]), largest=False).indices] = True
    times = taken.sum(0)
    box = torch.where(times > 1, cost.argmin(0), taken.byte().argmax(0))
    column = times.nonzero().squeeze(1)
    return column, box[column]
