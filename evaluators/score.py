"""A network's metrics on a split: what a trained rung is scored by, and what a file that was exported is scored by again."""

import contextlib
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from evaluators.data import Samples
from evaluators.loading import normalised, validation_batches
from evaluators.schedule import Schedule
from evaluators.task import Scorer


@torch.no_grad()
def score(
    network: nn.Module,
    scorer: Scorer,
    samples: Samples,
    schedule: Schedule,
    *,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    step_turn: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    done: Callable[[int], object] = lambda images: None,
) -> tuple[dict[str, float], float]:
    """The scorer's metrics of the whole split, and the seconds it took. Each batch is a `step_turn` of its own; `done` is told
    after each how many images it had. `network` is in evaluation mode."""
    batches, score_s = validation_batches(samples, schedule), 0.0
    finished = False
    while not finished:
        with step_turn():
            start = time.perf_counter()
            batch = next(batches, None)
            finished = batch is None
            if batch is not None:
                images, target = batch
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    output = network(normalised(images, device, network))
                scorer.update(output, target.to(device))
                done(len(images))
            score_s += time.perf_counter() - start
    return scorer.compute(), score_s
