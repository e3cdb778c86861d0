"""Whether a network, a task and a recipe go together: found out by one blank image, before anything is spent."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torchvision import tv_tensors

from evaluators.boxes import Boxes
from evaluators.distill.teaching import Teaching
from evaluators.loading import normalised
from evaluators.optimizer import make_optimizer
from evaluators.points import Points
from evaluators.schedule import Schedule
from evaluators.task import Task
from registry import named_by


def one_box(size: int) -> Boxes:
    box = tv_tensors.BoundingBoxes([[0.0, 0.0, size / 2, size / 2]], format="XYXY", canvas_size=(size, size))
    target = {"boxes": box, "labels": torch.zeros(1, dtype=torch.int64), "ignored": torch.zeros(1, dtype=torch.bool), "scale": 1.0}
    return Boxes.collate([target], (size, size))


def one_point(size: int) -> Points:
    point = tv_tensors.KeyPoints([[size / 2, size / 2]], canvas_size=(size, size))
    return Points.collate([{"points": point}], (size, size))


BLANK: dict[str, Callable[[int], Any]] = {
    "label": lambda size: torch.zeros(1, dtype=torch.int64),
    "mask": lambda size: torch.zeros(1, size, size, dtype=torch.uint8),
    "boxes": one_box,
    "points": one_point,
}
"""A target of each kind that `Samples` describes, for a batch of one; data of another kind are not tried."""


def check_fit(network: nn.Module, task: Task, schedule: Schedule) -> None:
    """ValueError where the task cannot read what the network gives for an image of the schedule's size, or where the schedule
    speaks of a part that the network lacks. The network is left in evaluation mode."""
    make_optimizer(network, schedule)
    if schedule.drop_path and not named_by(type(network), {"drop_path": None}):
        name = type(network).__name__
        raise ValueError(f"schedule.drop_path: {schedule.drop_path}, but {name} has no stochastic depth; set it to 0")
    try_loss(network, task, schedule)


def check_teacher(teacher: nn.Module, network: nn.Module, task: Task, schedule: Schedule) -> None:
    """ValueError where a network cannot learn from this teacher: where the task cannot read what that gives or does not say how it
    is imitated, or where no maps of the two compare."""
    if schedule.distill.logits and not hasattr(task, "imitation"):
        name, weight = type(task).__name__, schedule.distill.logits
        raise ValueError(
            f"schedule.distill.logits: {weight}, but the task {name} has no `imitation` to compare outputs by; set it to 0"
        )
    try:
        try_loss(teacher, task, schedule)
    except ValueError as error:
        raise ValueError(f"schedule.teacher: {schedule.teacher}: {error}") from None
    Teaching(teacher, network, task, schedule, seed=0, device=torch.device("cpu"))


def try_loss(network: nn.Module, task: Task, schedule: Schedule) -> None:
    if task.target not in BLANK:
        return
    image = torch.zeros(1, 3, schedule.image_size, schedule.image_size, dtype=torch.uint8)
    with torch.no_grad():
        task.loss(network.eval()(normalised(image, torch.device("cpu"), network)), BLANK[task.target](schedule.image_size))
