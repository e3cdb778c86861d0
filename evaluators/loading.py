"""Batches of a split, in an order that follows from (seed, epoch) only."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate

from evaluators.augmentation import IMAGENET_MEAN, IMAGENET_STD, Augmented
from evaluators.boxes import Boxes
from evaluators.crew import ALONE, Crew
from evaluators.data import Samples
from evaluators.points import Points
from evaluators.random_state import derived
from evaluators.schedule import Schedule


def steps_per_epoch(samples: Samples, schedule: Schedule) -> int:
    """Batches of one epoch. The last one is smaller, and left out where one sample remains (batch norm cannot train on one)."""
    whole, rest = divmod(len(samples), schedule.batch_size)
    return max(1, whole + (rest > 1))


def training_batches(
    samples: Samples, schedule: Schedule, *, seed: int, epoch: int, crew: Crew = ALONE
) -> Iterator[tuple[torch.Tensor, Any]]:
    """One shuffled, augmented epoch, of each batch the crew's share. Worker processes start at the first call, before any step's
    turn is taken."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(derived(seed, "order", epoch))).tolist()
    kept = order[: steps_per_epoch(samples, schedule) * schedule.batch_size]
    shares = [crew.share(batch) for batch in cut(kept, schedule.batch_size)]
    return iter(loader(Augmented(samples, schedule, seed, epoch), schedule, batches=shares))


def validation_batches(samples: Samples, schedule: Schedule) -> Iterator[tuple[torch.Tensor, Any]]:
    """The split in its own order; one image at a time where they differ in size."""
    return iter(loader(samples, schedule, batches=cut(range(len(samples)), schedule.batch_size if samples.uniform else 1)))


def cut(order: Sequence[int], size: int) -> list[Sequence[int]]:
    """Batches of an order; the last one is what remains."""
    return [order[start : start + size] for start in range(0, len(order), size)]


def loader(samples: Any, schedule: Schedule, *, batches: list[Sequence[int]]) -> DataLoader:
    """A torch loader that draws nothing from the global generator."""
    return DataLoader(
        samples,
        batch_sampler=batches,
        collate_fn=collate,
        num_workers=schedule.workers,
        generator=torch.Generator().manual_seed(0),
        pin_memory=torch.cuda.is_available() and schedule.workers > 0,
    )


def collate(items: list[tuple[torch.Tensor, Any]]) -> tuple[torch.Tensor, Any]:
    """A batch of samples: images (B, 3, H, W), and their targets together."""
    if not isinstance(items[0][1], dict):
        return default_collate(items)
    images, targets = zip(*items, strict=True)
    batch = torch.stack(images)
    kind = Boxes if "boxes" in targets[0] else Points
    return batch, kind.collate(targets, (batch.shape[2], batch.shape[3]))


def normalised(images: torch.Tensor, device: torch.device, network: nn.Module) -> torch.Tensor:
    """(B, 3, H, W) uint8 RGB as the network's `pixels` says, fp32 on the device, channels-last on a GPU: `imagenet` (unless told)
    has mean 0 and deviation 1 over ImageNet, `bgr` 0 to 255 and the channels in the other order."""
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    values = images.as_subclass(torch.Tensor).to(device, torch.float32, non_blocking=True, memory_format=layout)
    if getattr(network, "pixels", "imagenet") == "bgr":
        return values.flip(1)
    mean, deviation = (torch.tensor(v, device=device).view(3, 1, 1) * 255 for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (values - mean) / deviation
