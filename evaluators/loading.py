"""Batches of a split, in an order that follows from (seed, epoch) only."""

from collections.abc import Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from evaluators.augmentation import IMAGENET_MEAN, IMAGENET_STD, Augmented
from evaluators.data import Samples
from evaluators.random_state import derived
from evaluators.schedule import Schedule


def steps_per_epoch(samples: Samples, schedule: Schedule) -> int:
    """Batches of one epoch. The last one is smaller, and left out where one sample remains (batch norm cannot train on one)."""
    whole, rest = divmod(len(samples), schedule.batch_size)
    return max(1, whole + (rest > 1))


def training_batches(samples: Samples, schedule: Schedule, *, seed: int, epoch: int) -> Iterator[tuple[torch.Tensor, Any]]:
    """One shuffled, augmented epoch. Worker processes start at the first call, before any step's turn is taken."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(derived(seed, "order", epoch))).tolist()
    kept = order[: steps_per_epoch(samples, schedule) * schedule.batch_size]
    return iter(loader(Augmented(samples, schedule, seed, epoch), schedule, order=kept, batch_size=schedule.batch_size))


def validation_batches(samples: Samples, schedule: Schedule) -> Iterator[tuple[torch.Tensor, Any]]:
    """The split in its own order; one image at a time where they differ in size."""
    return iter(loader(samples, schedule, order=range(len(samples)), batch_size=schedule.batch_size if samples.uniform else 1))


def loader(samples: Any, schedule: Schedule, *, order: Any, batch_size: int) -> DataLoader:
    """A torch loader that draws nothing from the global generator."""
    return DataLoader(
        samples,
        batch_size=batch_size,
        sampler=order,
        num_workers=schedule.workers,
        generator=torch.Generator().manual_seed(0),
        pin_memory=torch.cuda.is_available() and schedule.workers > 0,
    )


def normalised(images: torch.Tensor, device: torch.device) -> torch.Tensor:
    """(B, 3, H, W) uint8 to fp32 on the device, with ImageNet's mean and deviation; channels-last on a GPU."""
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    values = images.as_subclass(torch.Tensor).to(device, torch.float32, non_blocking=True, memory_format=layout)
    mean, deviation = (torch.tensor(v, device=device).view(3, 1, 1) * 255 for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (values - mean) / deviation
