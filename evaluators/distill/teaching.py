"""One candidate's lessons: what is added to its loss for the distance from a teacher."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evaluators.distill.stages import shared, stages, watched
from evaluators.loading import normalised
from evaluators.random_state import derived, seeded
from evaluators.schedule import Schedule
from evaluators.task import Task


@dataclass(frozen=True)
class Said:
    """A network's output for a batch, and the maps that led to it."""

    output: Any
    maps: Mapping[str, Tensor]


class Teaching:
    """A teacher beside a candidate. The teacher is never trained; where stages differ in width, 1x1 convolutions that are trained
    along with the candidate, and belong to neither, bring the candidate's maps to the teacher's channels."""

    def __init__(self, teacher: nn.Module, network: nn.Module, task: Task, schedule: Schedule, *, seed: int, device: torch.device):
        self.teacher = teacher.to(device).eval().requires_grad_(False)
        if hasattr(task, "ready_to_teach"):
            task.ready_to_teach(self.teacher)
        self.weights, self.device = schedule.distill, device
        self.widths = self._widths(network, schedule.image_size) if self.weights.features else {}
        with seeded(derived(seed, "projections")):
            self.projections = nn.ModuleDict(
                {name_of(stage): nn.Conv2d(own, taught, 1) for stage, (own, taught) in self.widths.items() if own != taught}
            ).to(device)

    def _widths(self, network: nn.Module, size: int) -> dict[str, tuple[int, int]]:
        """ValueError where the two have no stages in common."""
        blank = torch.zeros(1, 3, size, size, dtype=torch.uint8)
        training = network.training
        found = shared(network, self.teacher, {each: normalised(blank, self.device, each) for each in (network, self.teacher)})
        network.train(training)
        if not found:
            names = [", ".join(stages(each)) or "none" for each in (self.teacher, network)]
            raise ValueError(
                f"schedule.distill.features: {self.weights.features}, but no stage of the teacher ({names[0]}) gives maps like "
                f"those of the candidate's stage of that name ({names[1]}); set it to 0"
            )
        return found

    def join(self, optimizer: torch.optim.Optimizer, schedule: Schedule) -> None:
        """Let what belongs to neither network be trained too."""
        if len(self.projections):
            optimizer.add_param_group(
                {"params": list(self.projections.parameters()), "lr": schedule.lr, "weight_decay": schedule.weight_decay}
            )

    def watching(self, network: nn.Module) -> contextlib.AbstractContextManager[Mapping[str, Tensor]]:
        """The candidate's maps in the forward passes inside."""
        return watched(network, self.widths)

    def taught(self, inputs: Tensor) -> Said:
        """What the teacher says of images that are as it reads them."""
        with torch.no_grad(), watched(self.teacher, self.widths) as maps:
            return Said(self.teacher(inputs), maps)

    def loss(self, task: Any, own: Said, taught: Said, target: Any) -> Tensor:
        """What the distance of a batch costs."""
        total = torch.zeros((), device=self.device)
        if self.weights.logits:
            total = total + self.weights.logits * task.imitation(
                own.output, taught.output, target, temperature=self.weights.temperature
            )
        if self.widths:
            distances = [self._distance(stage, own.maps[stage], taught.maps[stage]) for stage in self.widths]
            total = total + self.weights.features * torch.stack(distances).mean()
        return total

    def _distance(self, stage: str, own: Tensor, taught: Tensor) -> Tensor:
        """Mean squared error between maps of mean square 1, 0 to 4: stages count alike however large their numbers are."""
        own, taught = own.float(), taught.float()
        if name_of(stage) in self.projections:
            own = self.projections[name_of(stage)](own)
        if own.shape[2:] != taught.shape[2:]:
            taught = F.interpolate(taught, own.shape[2:], mode="bilinear", align_corners=False)
        return F.mse_loss(levelled(own), levelled(taught))


def levelled(maps: Tensor) -> Tensor:
    """Maps brought to mean square 1; none at all stay none."""
    return maps * maps.square().mean().clamp(min=1e-12).rsqrt()


def name_of(stage: str) -> str:
    """A stage's name as a module may have it."""
    return stage.replace("[-1]", "_last")
