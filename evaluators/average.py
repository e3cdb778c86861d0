"""The moving average of a network's weights, which is what is scored."""

import math

import torch
from timm.utils import ModelEmaV3
from torch import nn

from evaluators.schedule import Schedule


class Average(ModelEmaV3):
    """timm's, which lists all tensors of both networks anew at each update: of a small network that takes longer than averaging."""

    _of: int | None = None

    def apply_update_(self, model: nn.Module, decay: float) -> None:
        if self._of != id(model):
            self._of = id(model)
            both = list(zip(self.module.state_dict().values(), model.state_dict().values(), strict=True))
            self._averaged = [pair for pair in both if pair[0].is_floating_point()]
            self._copied = [pair for pair in both if not pair[0].is_floating_point()]
        torch._foreach_lerp_(*map(list, zip(*self._averaged, strict=True)), weight=1.0 - decay)
        for own, given in self._copied:
            own.copy_(given)


class RampedAverage(Average):
    """Decay `decay` * (1 - exp(-t / ramp)) at the t-th update, from 1. Source: Megvii-BaseDetection/YOLOX."""

    def __init__(self, network: nn.Module, *, decay: float, ramp: float):
        super().__init__(network, decay=decay)
        self.ramp = ramp

    def get_decay(self, step: int | None = None) -> float:
        """`step` counts from 0, as in training."""
        return self.decay * (1 - math.exp(-(step + 1) / self.ramp))


def make_average(network: nn.Module, schedule: Schedule, *, steps: int) -> Average | None:
    """The schedule's average for a training of so many steps in all; None where it has none.

    A decay d remembers about 1 / (1 - d) steps; `ema_span` bounds that to a part of the training, so that a short one does not
    score what it began with.
    """
    if not schedule.ema:
        return None
    decay = min(schedule.ema, max(0.0, 1 - 1 / (schedule.ema_span * steps))) if schedule.ema_span else schedule.ema
    ramp = schedule.ema_ramp * steps
    return RampedAverage(network, decay=decay, ramp=ramp) if ramp else Average(network, decay=decay, use_warmup=True)
