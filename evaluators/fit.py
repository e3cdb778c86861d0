"""Whether a network, a task and a recipe go together: found out by one blank image, before anything is spent."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torchvision import tv_tensors

from evaluators.boxes import Boxes
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
    if task.target not in BLANK:
        return
    image = torch.zeros(1, 3, schedule.image_size, schedule.image_size, dtype=torch.uint8)
    with torch.no_grad():
        task.loss(network.eval()(normalised(image, torch.device("cpu"), network)), BLANK[task.target](schedule.image_size))
