"""Crowd counting: how many people an image shows, from a point for each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evaluators.counting.imitation import imitations, split_imitation
from evaluators.counting.losses import Terms, by_use, even, split_losses, terms, used
from evaluators.counting.matching import Patches, pairs
from evaluators.counting.people import CROWDED_PX, crowded_half, positions, spacing
from evaluators.counting.queries import LEVELS, PATCH, asked, chances, holds_image
from evaluators.data import Data
from evaluators.points import Points
from evaluators.task import TASKS

THRESHOLD = 0.5
"""A query counts as a person above this chance."""


@TASKS.register("counting")
@dataclass(frozen=True)
class Counting:
    """PET's losses on three outputs: sparse and dense (B, N, 4), each row the logits of nothing and of a person and the y, x of
    the point in pixels, and split (B, h, w), the probability that a patch is the dense level's. Scored by errors of the count.

    `nothing_weight` is the weight in the cross-entropy of a row without a person, `points_weight` and `split_weight` are those of
    the losses of place and split, beside 1 for the cross-entropy; `pixel_cost` is how much of a person's chance a pixel of distance
    outweighs where people are paired with queries. `warm_up` trains both levels everywhere and no split.

    Places in the loss are parts of the image's height and width; distances in pairing, and what makes an image a crowd, are
    pixels of whatever image the network gets, because so are the cells of its maps. Source: arXiv 2308.13814.
    """

    nothing_weight: float = 0.5
    points_weight: float = 5.0
    split_weight: float = 0.1
    pixel_cost: float = 0.05
    warm_up: bool = False

    target: ClassVar[str] = "points"
    metrics: ClassVar[Mapping[str, Literal["min", "max"]]] = {"mae": "min", "mse": "min", "loss": "min"}

    def __post_init__(self):
        for name in (field.name for field in fields(self) if field.name != "warm_up"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"task.{name}: {getattr(self, name)}; expected 0 or more ({getattr(type(self), name)} is usual)")

    @property
    def opening(self) -> "Counting":
        """The task of the first epochs, in which the split is not yet learned."""
        return replace(self, warm_up=True)

    def check(self, data: Data) -> None:
        if data.target != self.target:
            raise ValueError(
                f"task=counting needs data with a point for each person; {type(data).__name__} has targets of kind '{data.target}'"
            )

    def loss(self, output: tuple[Tensor, Tensor, Tensor], target: Points) -> Tensor:
        """The losses of both levels over the rows that were decoded, and that of the split. Each level pairs all people anew."""
        check_output(output, target.size)
        split, people = output[2].float(), positions(target)
        spacings = [spacing(of_image) for of_image in people]
        total = split.new_zeros(()) if self.warm_up else self.split_weight * self.split_loss(split, target.size, spacings)
        for rows, (name, level) in zip(output[:2], LEVELS.items(), strict=True):
            found = self.terms(rows, asked(rows, split.shape[1:], target.size, level=level), people, size=target.size)
            if self.warm_up:
                entropy, points = even(found, sum(map(len, people)))
            else:
                crowded = crowded_half(spacings).to(split.device)
                entropy, points = by_use(found, level.spread(used(split, name), PATCH), crowded)
            total = total + entropy + self.points_weight * points
        return total

    def imitation(
        self, output: tuple[Tensor, Tensor, Tensor], taught: tuple[Tensor, Tensor, Tensor], target: Points, *, temperature: float
    ) -> Tensor:
        """Each level's chances and points at the queries that the teacher decoded, and the split, weighted as in the loss. Points
        count as far as the teacher sees a person there."""
        total = self.split_weight * split_imitation(output[2], taught[2])
        for rows, other, level in zip(output[:2], taught[:2], LEVELS.values(), strict=True):
            decoded = asked(other, taught[2].shape[1:], target.size, level=level)
            entropy, points = imitations(
                rows, other, decoded, size=target.size, nothing_weight=self.nothing_weight, temperature=temperature
            )
            total = total + entropy + self.points_weight * points
        return total

    def ready_to_teach(self, network: nn.Module) -> None:
        """A teacher decodes all queries, as a network in training does, not those of its own split."""
        network.route = "both"

    def terms(
        self,
        rows: Tensor,
        asked: Tensor,
        people: Sequence[NDArray[np.float64]],
        *,
        size: tuple[int, int],
        patches: Patches | None = None,
    ) -> Terms:
        """What the losses of a batch are sums of, its people paired with the asked ones of these rows."""
        found = pairs(rows, asked, people, pixel_cost=self.pixel_cost, patches=patches)
        return terms(rows, asked, found, size=size, nothing_weight=self.nothing_weight)

    def split_loss(self, split: Tensor, size: tuple[int, int], spacings: Sequence[float]) -> Tensor:
        """Every image has a patch that is surely sparse, and every crowd one that is surely dense; 0 for no crowd."""
        sparse, dense = split_losses(split, holds_image(split.shape[1:], size).to(split.device))
        crowds = torch.tensor([one < CROWDED_PX for one in spacings], device=split.device)
        return sparse.mean() + (dense * crowds).sum() / crowds.sum().clamp(min=1)

    def scorer(self, classes: int, device: torch.device) -> "CountingScorer":
        return CountingScorer(self)


class CountingScorer:
    """mae, mse: mean absolute error of the count, and root of its mean squared error, as published tables name it. Counted are the
    rows of both levels with a person's chance above a half, wherever their points lie, none suppressed.

    loss: of the rows that evaluation decodes, of both levels together, as if the split were one batch without halves: each mean
    is one over all rows, people, images or crowds of the split, so that it does not depend on how it was cut into batches. People
    are paired within their patch: pairing a large image as a whole takes minutes. Those of a patch that no level is asked
    about have a part in the errors of the count, not in the loss.
    """

    def __init__(self, task: Counting):
        self.task = task
        self.errors: list[int] = []
        self.sums = dict.fromkeys(("entropy", "weight", "points", "people", "sparse", "dense", "crowds"), 0.0)

    @torch.no_grad()
    def update(self, output: tuple[Tensor, Tensor, Tensor], target: Points) -> None:
        check_output(output, target.size)
        sparse, dense, split = (part.detach().float().cpu() for part in output)
        grid, people = split.shape[1:], positions(target)
        levels = zip((sparse, dense), LEVELS.values(), strict=True)
        may = torch.cat([asked(rows, grid, target.size, level=level) for rows, level in levels], 1)
        rows = torch.cat([sparse, dense], 1)
        counts = ((chances(rows) > THRESHOLD) & may).sum(1).tolist()
        self.errors += [count - len(of_image) for count, of_image in zip(counts, people, strict=True)]
        found = self.task.terms(rows, may, people, size=target.size, patches=Patches(tuple(grid), target.size))
        self.add(entropy=found.entropy.sum(), weight=found.weight.sum(), points=found.error.sum(), people=sum(map(len, people)))
        of_images = split_losses(split, holds_image(grid, target.size))
        crowds = torch.tensor([spacing(of_image) < CROWDED_PX for of_image in people])
        self.add(sparse=of_images[0].sum(), dense=(of_images[1] * crowds).sum(), crowds=crowds.sum())

    def add(self, **amounts: Tensor | int) -> None:
        for name, amount in amounts.items():
            self.sums[name] += float(amount)

    def compute(self) -> dict[str, float]:
        errors, sums = np.array(self.errors or [0.0]), self.sums
        split = sums["sparse"] / max(len(self.errors), 1) + sums["dense"] / max(sums["crowds"], 1)
        points = sums["points"] / max(sums["people"], 1)
        loss = sums["entropy"] / (sums["weight"] or 1) + self.task.points_weight * points + self.task.split_weight * split
        return {"mae": float(np.abs(errors).mean()), "mse": float(np.sqrt((errors**2).mean())), "loss": loss}


def check_output(output: tuple[Tensor, Tensor, Tensor], size: tuple[int, int]) -> None:
    """ValueError where a network's output is not that of point queries on images of `size` (height, width)."""
    parts = output if isinstance(output, tuple) else (output,)
    shapes = [tuple(part.shape) for part in parts]
    if [len(shape) for shape in shapes] == [3, 3, 3]:
        grid = shapes[2][1:]
        covered = all(n * patch >= side for n, patch, side in zip(grid, PATCH, size, strict=True))
        if covered and shapes[:2] == [(shapes[2][0], level.rows(grid), 4) for level in LEVELS.values()]:
            return
    needed = "three outputs: sparse and dense (B, queries, 4), and split (B, rows, columns) of patches of 64x128 pixels"
    given = f"for images of {size[0]}x{size[1]} this one gives {shapes}. A space names the task that fits it"
    raise ValueError(f"task=counting needs a network with {needed}; {given}")
