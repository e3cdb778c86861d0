"""Optimizer and learning rate of a schedule, through timm's factories."""

from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch import nn

from evaluators.schedule import Schedule

NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)
FACTORS = {"decoder": "decoder_lr_factor", "backbone": "backbone_lr_factor"}
"""Submodules with a learning rate of their own, in every network that has one of them, and the schedule's field that says it."""


def make_optimizer(network: nn.Module, schedule: Schedule) -> torch.optim.Optimizer:
    """The schedule's optimizer over `parameter_groups`."""
    return create_optimizer_v2(
        network,
        schedule.optimizer,
        lr=schedule.lr,
        weight_decay=schedule.weight_decay,
        param_group_fn=lambda module: parameter_groups(module, schedule),
        foreach=True,  # torch's default on GPUs alone; on CPUs the numbers are the same, in less time
    )


def parameter_groups(network: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """The parameters by the part of the network (the parts of `FACTORS` have learning rates of their own) and by weight decay.

    Never decayed are the parameters of normalisation layers, those of modules that say `undecayed = True` (position tables), those
    that the network names in `undecayed_parameters` (class tokens) as far as it has them, and all with fewer than two axes (biases,
    layer scales).
    """
    spared = [m for m in network.modules() if isinstance(m, NORMS) or getattr(m, "undecayed", False)]
    own = dict(network.named_parameters())
    named = [own[name] for name in getattr(network, "undecayed_parameters", ()) if name in own]  # a choice may leave one out
    undecayed = {id(p) for p in [*named, *(p for module in spared for p in module.parameters(recurse=False))]}
    factors = {part: getattr(schedule, field) for part, field in FACTORS.items()}
    members: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in own.items():
        if parameter.requires_grad:
            place = (factors.get(name.split(".")[0], 1.0), parameter.ndim > 1 and id(parameter) not in undecayed)
            members.setdefault(place, []).append(parameter)
    for part, factor in factors.items():
        if factor != 1 and not any(name.startswith(f"{part}.") for name in own):
            raise ValueError(
                f"schedule.{FACTORS[part]}: {factor}, but {type(network).__name__} has no submodule '{part}'; set it to 1"
            )
    return [
        {"params": parameters, "lr": schedule.lr * factor, "weight_decay": schedule.weight_decay if decayed else 0.0}
        for (factor, decayed), parameters in members.items()
    ]


class LearningRate:
    """timm's schedule `whole`, of steps, whose warm-up from 0 rises as the `power` of the part that is behind."""

    def __init__(self, whole: Scheduler, warmup: int, *, power: float):
        self.whole, self.warmup, self.power = whole, warmup, power

    def step_update(self, step: int) -> None:
        """Set the rate of a step, from 0, in every group of the optimizer."""
        self.whole.step_update(step)
        if step < self.warmup:  # timm's is a line
            for group in self.whole.optimizer.param_groups:
                group["lr"] *= (step / self.warmup) ** (self.power - 1)


def make_learning_rate(optimizer: torch.optim.Optimizer, schedule: Schedule, *, steps_per_epoch: int) -> LearningRate:
    """Per step: from 0 over the warm-up, then poly (lr * (1 - part) ** power) or cosine down to `min_lr`, reached where the closing
    epochs begin (without any: where the last rung ends); or constant.

    `.step_update(t)` sets the rate of step t (from 0). A warm-up of half the training or more is cut to a tenth of it.
    """
    steps = schedule.rungs[-1] * steps_per_epoch
    warmup = max(schedule.warmup_steps, round(schedule.warmup_part * steps))
    warmup = warmup if 2 * warmup < steps else steps // 10
    falling = steps - warmup - schedule.closing_epochs * steps_per_epoch
    whole, _ = create_scheduler_v2(
        optimizer,
        schedule.lr_schedule,
        num_epochs=max(1, falling),
        warmup_epochs=warmup,
        warmup_prefix=True,
        warmup_lr=0.0,
        min_lr=schedule.min_lr,
        decay_rate=schedule.lr_power,
        step_on_epochs=False,
        updates_per_epoch=1,
    )
    return LearningRate(whole, warmup, power=schedule.warmup_power)
