"""Boxes as targets: of one image while it is augmented, of a batch when a loss or a score reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

PADDING = -1


@dataclass(frozen=True)
class Boxes:
    """The truth of a batch of B images of `size` (height, width), each padded to the M boxes of the fullest.

    xyxy: (B, M, 4) float32, x1, y1, x2, y2 in pixels of these images; labels: (B, M) int64 class ids, -1 in padding; ignored:
    (B, M) bool, True for what a score neither counts as found nor as missed (VOC's difficult, COCO's crowd); scale: (B,) float32,
    pixels of the image per pixel of the file that it comes from.
    """

    xyxy: Tensor
    labels: Tensor
    ignored: Tensor
    scale: Tensor
    size: tuple[int, int]

    @classmethod
    def collate(cls, targets: Sequence[dict[str, Any]], size: tuple[int, int]) -> "Boxes":
        """The batch of the samples' targets, as `Samples` describes those of kind 'boxes'."""
        plain = [target["boxes"].as_subclass(Tensor).float() for target in targets]
        return cls(
            xyxy=pad_sequence(plain, batch_first=True),
            labels=pad_sequence([target["labels"] for target in targets], batch_first=True, padding_value=PADDING),
            ignored=pad_sequence([target["ignored"] for target in targets], batch_first=True),
            scale=torch.tensor([target["scale"] for target in targets], dtype=torch.float32),
            size=size,
        )

    def __len__(self) -> int:
        """Images in the batch."""
        return len(self.labels)

    def of(self, image: int) -> tuple[Tensor, Tensor, Tensor]:
        """The boxes (N, 4), labels (N,) and ignored (N,) of one image, without padding."""
        real = self.labels[image] != PADDING
        return self.xyxy[image][real], self.labels[image][real], self.ignored[image][real]

    def to(self, device: torch.device) -> "Boxes":
        moved = {name: getattr(self, name).to(device) for name in ("xyxy", "labels", "ignored", "scale")}
        return replace(self, **moved)

    def resized(self, size: tuple[int, int]) -> "Boxes":
        """The same boxes on images that were stretched to `size` (height, width)."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        factors = self.xyxy.new_tensor([across, down, across, down])
        return replace(self, xyxy=self.xyxy * factors, scale=self.scale * down, size=size)
