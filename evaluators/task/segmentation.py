"""Semantic segmentation: a class for each pixel."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from evaluators.data import Data
from evaluators.distill.divergence import mean_where, of_choices
from evaluators.task import TASKS

IGNORED = 255


@TASKS.register("segmentation")
@dataclass(frozen=True)
class Segmentation:
    """Pixel cross-entropy on logits brought to the mask's size; scored by mIoU. Output (B, K, h, w) logits, target (B, H, W) ids.

    `balance` in [0, 1] weights each class by (its part of the batch's pixels) ** -balance: 0 is the plain mean over pixels, 1 gives
    every class of the batch the same say. Use it where the background would otherwise be learned alone.
    """

    balance: float = 0.0

    target: ClassVar[str] = "mask"
    metrics: ClassVar[Mapping[str, Literal["min", "max"]]] = {"miou": "max", "pixel_accuracy": "max", "loss": "min"}

    def __post_init__(self):
        if not 0 <= self.balance <= 1:
            raise ValueError(
                f"task.balance: {self.balance}; expected 0 (plain mean over pixels) to 1 (every class counts the same)"
            )

    def check(self, data: Data) -> None:
        if data.target != self.target:
            raise ValueError(f"task=segmentation needs data with masks; {type(data).__name__} has targets of kind '{data.target}'")

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean over the pixels that are not ignored; 0 for a batch that has none."""
        if output.ndim != 4:
            given = f"this one gives {tuple(output.shape)}. A space names the task that fits it"
            raise ValueError(f"task=segmentation needs a network with output (B, classes, h, w); {given}")
        logits, ids = by_pixel(enlarged(output, target)), target.long().flatten()
        weight = class_weights(ids, logits.shape[1], balance=self.balance) if self.balance else None
        total = F.cross_entropy(logits, ids, weight, ignore_index=IGNORED, reduction="sum")
        scored = ids[ids != IGNORED]
        mass = weight[scored].sum() if weight is not None else torch.tensor(scored.numel(), device=ids.device)
        return total / mass.clip(1)

    def imitation(self, output: torch.Tensor, taught: torch.Tensor, target: torch.Tensor, *, temperature: float) -> torch.Tensor:
        """Mean over the positions of the output whose pixel is not ignored, with the teacher's logits brought to the same size."""
        distance = of_choices(by_pixel(output), by_pixel(enlarged(taught, output)), temperature=temperature)
        scored = F.interpolate(target[:, None].float(), output.shape[-2:], mode="nearest").flatten() != IGNORED
        return mean_where(distance, scored.float())

    def scorer(self, classes: int, device: torch.device) -> "SegmentationScorer":
        return SegmentationScorer(classes, device)


class SegmentationScorer:
    """mIoU: mean over the classes that occur in truth or prediction; pixel accuracy: correct / all; loss: plain mean over pixels,
    whatever the balance, so that it does not depend on how the split was cut into batches. Ignored pixels count nowhere."""

    def __init__(self, classes: int, device: torch.device):
        self.miou = MulticlassJaccardIndex(classes, average="macro", ignore_index=IGNORED, validate_args=False).to(device)
        self.accuracy = MulticlassAccuracy(classes, average="micro", ignore_index=IGNORED, validate_args=False).to(device)
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.pixels = 0

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        logits, ids = enlarged(output, target), target.long()
        predicted = logits.argmax(1)
        self.miou.update(predicted, ids)
        self.accuracy.update(predicted, ids)
        self.loss += F.cross_entropy(by_pixel(logits), ids.flatten(), ignore_index=IGNORED, reduction="sum")
        self.pixels += int((ids != IGNORED).sum())

    def compute(self) -> dict[str, float]:
        return {
            "miou": self.miou.compute().item(),
            "pixel_accuracy": self.accuracy.compute().item(),
            "loss": self.loss.item() / max(self.pixels, 1),
        }


def enlarged(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Logits (B, K, h, w) in fp32, brought bilinearly to the size of the mask (B, H, W), or of other maps."""
    return F.interpolate(output.float(), target.shape[-2:], mode="bilinear", align_corners=False)


def by_pixel(logits: torch.Tensor) -> torch.Tensor:
    """A row for each pixel: its loss, unlike that of maps, is deterministic on a GPU."""
    return logits.permute(0, 2, 3, 1).flatten(0, 2)  # (B, K, H, W) -> (B*H*W, K)


def class_weights(ids: torch.Tensor, classes: int, *, balance: float) -> torch.Tensor:
    """(K,) weights (a class's part of the scored pixels) ** -balance; 0 for a class that the batch lacks."""
    counts = torch.bincount(ids[ids != IGNORED], minlength=classes).float()
    parts = counts / counts.sum().clip(1)
    return torch.where(parts > 0, parts.clip(1e-6) ** -balance, 0.0)
