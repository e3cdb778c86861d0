"""The best epoch of a training so far, which is what keep=best scores and keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import torch
from torch import nn

from evaluators.task import Task


@dataclass(frozen=True)
class Best:
    """By the task's first metric; of equals the earlier. `epoch` counts those behind it, 0: none was scored yet."""

    metric: str
    direction: Literal["min", "max"]
    epoch: int = 0
    scores: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task) -> Self:
        return cls(*next(iter(task.metrics.items())))

    def or_better(self, epoch: int, scores: Mapping[str, float], network: nn.Module) -> Self:
        """This or, if it scores better, what the network is now."""
        sign = 1 if self.direction == "max" else -1
        if self.epoch and sign * scores[self.metric] <= sign * self.scores[self.metric]:
            return self
        weights = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        return replace(self, epoch=epoch, scores=dict(scores), weights=weights)

    def told(self) -> dict[str, Any]:
        """What is kept of it beside the weights."""
        return {"epoch": self.epoch, "scores": dict(self.scores)}
