"""Tasks by name: what a network is trained for and how it is scored. An option is a frozen dataclass; the contract is `Task`."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Protocol

import torch

from evaluators.data import Data
from registry import Registry, import_siblings

TASKS: Registry[type["Task"]] = Registry("task")


class Scorer(Protocol):
    """Gathers the outputs of one pass over the validation split."""

    def update(self, output: torch.Tensor, target: Any) -> None: ...

    def compute(self) -> dict[str, float]:
        """Metric name -> value, for exactly the names in the task's `metrics`."""


class Task(Protocol):
    """`metrics` names what a rung measures, each with the direction that is better. `target` is the kind of truth it reads. A task
    with another loss in a schedule's opening or closing epochs has an attribute `opening` or `closing`, the task with that loss.

    One whose networks can learn from a trained one also has `imitation(output, taught, target, *, temperature)`, the distance of
    a batch's output from the teacher's, a scalar; and `ready_to_teach(network)` where a teacher must be told something.
    """

    metrics: ClassVar[Mapping[str, Literal["min", "max"]]]
    target: ClassVar[str]

    def check(self, data: Data) -> None:
        """ValueError where the data set does not have this task's kind of truth."""

    def loss(self, output: torch.Tensor, target: Any) -> torch.Tensor:
        """The scalar that training lowers, of a batch."""

    def scorer(self, classes: int, device: torch.device) -> Scorer:
        """A fresh scorer for a network of so many classes."""


import_siblings(__name__)
