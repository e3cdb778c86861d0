"""Image classification: one class for each image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from evaluators.data import Data
from evaluators.distill.divergence import of_choices
from evaluators.task import TASKS


@TASKS.register("classification")
@dataclass(frozen=True)
class Classification:
    """Cross-entropy on (B, K) logits; scored by top-1 and top-5 accuracy. The target is (B,) class ids or, while training with
    mixup or CutMix, (B, K) parts of each class.

    `smoothing` in [0, 1) gives that part of the target to all classes alike (arXiv 1512.00567); the validation loss is plain.
    """

    smoothing: float = 0.0

    target: ClassVar[str] = "label"
    metrics: ClassVar[Mapping[str, Literal["min", "max"]]] = {"top1": "max", "top5": "max", "loss": "min"}

    def __post_init__(self):
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"task.smoothing: {self.smoothing}; expected 0 (the label alone) to less than 1 (0.1 is usual)")

    def check(self, data: Data) -> None:
        if data.target != self.target:
            raise ValueError(
                f"task=classification needs data with a label for each image, such as data=garments; "
                f"{type(data).__name__} has targets of kind '{data.target}'"
            )

    def loss(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Mean over the images of the batch."""
        if output.ndim != 2:
            given = f"this one gives {tuple(output.shape)}. A space names the task that fits it"
            raise ValueError(f"task=classification needs a network with output (B, classes); {given}")
        return F.cross_entropy(output.float(), target, label_smoothing=self.smoothing)

    def imitation(self, output: torch.Tensor, taught: torch.Tensor, target: torch.Tensor, *, temperature: float) -> torch.Tensor:
        """Mean over the images of the batch."""
        return of_choices(output, taught, temperature=temperature).mean()

    def scorer(self, classes: int, device: torch.device) -> "ClassificationScorer":
        return ClassificationScorer(classes, device)


class ClassificationScorer:
    """top1, top5: the part of the images whose class has the highest logit, or one of the five highest (of all, where there are
    fewer classes); loss: plain mean over images, whatever the smoothing and however the split was cut into batches."""

    def __init__(self, classes: int, device: torch.device):
        top = {"top1": 1, "top5": min(5, classes)}
        self.accuracies = {
            name: MulticlassAccuracy(classes, top_k=k, average="micro", validate_args=False).to(device) for name, k in top.items()
        }
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.images = 0

    def update(self, output: torch.Tensor, target: torch.Tensor) -> None:
        logits = output.float()
        for accuracy in self.accuracies.values():
            accuracy.update(logits, target)
        self.loss += F.cross_entropy(logits, target, reduction="sum")
        self.images += len(target)

    def compute(self) -> dict[str, float]:
        scores = {name: accuracy.compute().item() for name, accuracy in self.accuracies.items()}
        return scores | {"loss": self.loss.item() / max(self.images, 1)}
