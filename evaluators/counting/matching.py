"""Which query answers for which person: the assignment of least total cost, each query and each person taken at most once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from torch import Tensor

from evaluators.counting.queries import LEVELS, PATCH, chances


@dataclass(frozen=True)
class Pairs:
    """P queries with a person each: image (P,) and row (P,) are indices, person (P, 2) the y, x in pixels."""

    image: Tensor
    row: Tensor
    person: Tensor


@dataclass(frozen=True)
class Patches:
    """The patches, numbered row by row, of images of `size` (height, width), padded to `grid` (rows, columns) of them."""

    grid: tuple[int, int]
    size: tuple[int, int]

    def of_rows(self) -> NDArray[np.int64]:
        """(N,) the patch of each query, those of the sparse level first."""
        numbers = torch.arange(self.grid[0] * self.grid[1]).view(self.grid)
        return torch.cat([level.spread(numbers, PATCH) for level in LEVELS.values()]).numpy()

    def of_people(self, people: NDArray[np.float64]) -> NDArray[np.int64]:
        """(M,) the patch that each person (M, 2) y, x stands in; outside the image, the nearest patch that holds some of it."""
        last = [(side - 1) // patch for side, patch in zip(self.size, PATCH, strict=True)]
        place = (people // PATCH).clip(0, last).astype(np.int64)
        return place[:, 0] * self.grid[1] + place[:, 1]


@torch.no_grad()
def pairs(
    rows: Tensor, asked: Tensor, people: Sequence[NDArray[np.float64]], *, pixel_cost: float, patches: Patches | None = None
) -> Pairs:
    """The pairs of a batch, image by image. rows: (B, N, 4); asked: (B, N) bool, the rows that may answer; people: (M, 2) y, x of
    each image. With `patches`, rows are those of both levels, and people are paired with queries of their own patch alone.

    Costs are worked out on the CPU in double precision: N rows cross to it once, never N x M costs.
    """
    table = torch.cat([chances(rows)[..., None], rows[..., 2:].float()], -1).nan_to_num().double().cpu().numpy()  # (B, N, 3)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 2)))]
    for image, (answers, may, truth) in enumerate(zip(table, asked.cpu().numpy(), people, strict=True)):
        for answering, seeking in groups(np.flatnonzero(may), truth, patches):
            row, person = cheapest(answers[answering], truth[seeking], pixel_cost=pixel_cost)
            found.append((np.full(len(row), image), answering[row], truth[seeking][person]))
    image, row, person = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True))
    return Pairs(image.to(rows.device), row.to(rows.device), person.float().to(rows.device))


def groups(rows: NDArray[np.int64], people: NDArray[np.float64], patches: Patches | None) -> Iterator[tuple[NDArray, NDArray]]:
    """The rows and the indices of the people that are paired with each other: all of them, or those of each patch with people."""
    if patches is None:
        yield rows, np.arange(len(people))
        return
    of_rows, of_people = patches.of_rows()[rows], patches.of_people(people)
    for patch in np.unique(of_people):
        yield rows[of_rows == patch], np.flatnonzero(of_people == patch)


def cheapest(answers: NDArray[np.float64], people: NDArray[np.float64], *, pixel_cost: float) -> tuple[NDArray, NDArray]:
    """Row and person (K,) of each pair, K the smaller of N and M. answers: (N, 3) chance, y, x; people: (M, 2) y, x. A pair costs
    its distance in pixels times `pixel_cost`, less the chance.
    Source: arXiv 2308.13814 and github.com/cxliu0/PET."""
    cost = pixel_cost * cdist(people, answers[:, 1:]) - answers[:, 0]  # (M, N)
    person, row = linear_sum_assignment(cost)
    return row, person
