"""Points as targets of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence


@dataclass(frozen=True)
class Points:
    """The truth of a batch of B images of `size` (height, width), each padded to the M points of the fullest.

    xy: (B, M, 2) float32, x and y in pixels of these images; real: (B, M) bool, False where a row is padding.
    """

    xy: Tensor
    real: Tensor
    size: tuple[int, int]

    @classmethod
    def collate(cls, targets: Sequence[dict[str, Any]], size: tuple[int, int]) -> "Points":
        """The batch of the samples' targets, as `Samples` describes those of kind 'points'."""
        plain = [target["points"].as_subclass(Tensor).float().view(-1, 2) for target in targets]
        real = [torch.ones(len(points), dtype=torch.bool) for points in plain]
        return cls(pad_sequence(plain, batch_first=True), pad_sequence(real, batch_first=True), size)

    def __len__(self) -> int:
        """Images in the batch."""
        return len(self.real)

    def of(self, image: int) -> Tensor:
        """The points (N, 2) of one image, without padding."""
        return self.xy[image][self.real[image]]

    @property
    def counts(self) -> Tensor:
        """(B,) int64: the points of each image."""
        return self.real.sum(1)

    def to(self, device: torch.device) -> "Points":
        return replace(self, xy=self.xy.to(device), real=self.real.to(device))
