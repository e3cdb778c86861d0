"""Box detection: where the objects of an image are, and of which class."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch

from evaluators.boxes import Boxes
from evaluators.data import Data
from evaluators.detection.assign import RULES, Rule
from evaluators.detection.average_precision import Truth, coco_map, voc07_map
from evaluators.detection.cells import STRIDES, count
from evaluators.detection.imitation import imitations
from evaluators.detection.losses import losses
from evaluators.detection.predictions import Predictions, predictions
from evaluators.task import TASKS
from registry import nearest


@TASKS.register("detection")
@dataclass(frozen=True)
class Detection:
    """YOLOX's losses on (B, N, 5 + K) raw output (tx, ty, tw, th, objectness, classes of N cells); scored by mAP.

    `assigner` chooses the cells that learn a box: upstream (YOLOX as it is now) or team_older (as it was to release 0.3.0). `l1`
    adds the loss on raw coordinates that the last, mosaic-free epochs are trained with. Source: arXiv 2107.08430.
    """

    assigner: str = "upstream"
    l1: bool = False

    target: ClassVar[str] = "boxes"
    metrics: ClassVar[Mapping[str, Literal["min", "max"]]] = {
        "map50": "max",
        "map50_95": "max",
        "map50_voc07": "max",
        "map50_95_voc07": "max",
        "loss": "min",
    }

    def __post_init__(self):
        if self.assigner not in RULES:
            raise ValueError(f"task.assigner: unknown assigner '{self.assigner}'; {nearest(self.assigner, sorted(RULES))}")

    @property
    def closing(self) -> "Detection":
        """The task of the last, mosaic-free epochs."""
        return replace(self, l1=True)

    def check(self, data: Data) -> None:
        if data.target != self.target:
            raise ValueError(
                f"task=detection needs data with boxes in each image; {type(data).__name__} has targets of kind '{data.target}'"
            )

    def loss(self, output: torch.Tensor, target: Boxes) -> torch.Tensor:
        """Sum over the batch, divided by the number of matched cells, or by 1 where none is."""
        check_output(output, target.size)
        parts = losses(output, target, rule=RULES[self.assigner], l1=self.l1)
        return parts.total / max(parts.matched, 1)

    def imitation(self, output: torch.Tensor, taught: torch.Tensor, target: Boxes, *, temperature: float) -> torch.Tensor:
        """Objectness, classes and boxes of each cell, weighted as in the loss; where the teacher sees background, objectness only.
        Sums divided by the teacher's objectness, as the loss is by the number of matched cells."""
        parts = imitations(output, taught, size=target.size, temperature=temperature)
        return parts.total / max(parts.objects, 1.0)

    def scorer(self, classes: int, device: torch.device) -> "DetectionScorer":
        return DetectionScorer(device, rule=RULES[self.assigner])


class DetectionScorer:
    """map50, map50_95: COCO's rules; map50_voc07, map50_95_voc07: those of Pascal VOC 2007; all 0 where there is no box to find.
    Boxes are compared in the pixels of the files. loss: that of training without L1, as if the split were one batch: all sums
    divided by all matched cells, so that it does not depend on how the split was cut into batches."""

    def __init__(self, device: torch.device, *, rule: Rule):
        self.rule = rule
        self.found: list[Predictions] = []
        self.truth: list[Truth] = []
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.matched = 0

    @torch.no_grad()
    def update(self, output: torch.Tensor, target: Boxes) -> None:
        parts = losses(output, target, rule=self.rule, l1=False)
        self.loss += parts.total
        self.matched += parts.matched
        scales = target.scale.tolist()
        for index, (image, scale) in enumerate(zip(predictions(output, target.size), scales, strict=True)):
            xyxy, labels, ignored = target.of(index)
            self.found.append(Predictions((image.xyxy / scale).cpu(), image.scores.cpu(), image.labels.cpu()))
            self.truth.append(Truth((xyxy / scale).cpu(), labels.cpu(), ignored.cpu()))

    def compute(self) -> dict[str, float]:
        map50, map50_95 = coco_map(self.found, self.truth)
        voc07 = voc07_map(self.found, self.truth)
        return {
            "map50": map50,
            "map50_95": map50_95,
            "map50_voc07": float(voc07[0]),
            "map50_95_voc07": float(voc07.mean()),
            "loss": self.loss.item() / max(self.matched, 1),
        }


def check_output(output: torch.Tensor, size: tuple[int, int]) -> None:
    """ValueError where a network's output is not that of a detector for images of `size` (height, width)."""
    if any(side % STRIDES[-1] for side in size):
        raise ValueError(f"task=detection: images of {size[0]}x{size[1]}; expected sides that are multiples of {STRIDES[-1]}")
    if output.ndim != 3 or output.shape[1] != count(size) or output.shape[2] < 6:
        given = f"for images of {size[0]}x{size[1]} this one gives {tuple(output.shape)}. A space names the task that fits it"
        raise ValueError(f"task=detection needs a network with output (B, {count(size)} cells, 5 + classes); {given}")
