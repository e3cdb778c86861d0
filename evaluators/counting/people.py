"""The people of each image: where they are, and how close together."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

from evaluators.points import Points

CROWDED_PX = 16.0
"""People closer than this, on average, make an image a crowd: two cells of the sparse level. Pixels of whatever image the network
gets, since its cells are pixels too."""


def positions(target: Points) -> list[NDArray[np.float64]]:
    """(M, 2) y, x in pixels, of each image of a batch. On the CPU, where matching takes place."""
    on_cpu = target.to(torch.device("cpu"))
    return [on_cpu.of(image).flip(1).double().numpy() for image in range(len(target))]


def spacing(people: NDArray[np.float64]) -> float:
    """Mean distance in pixels from a person (M, 2) to the nearest other; infinite where there is no other."""
    if len(people) < 2:
        return np.inf
    return float(KDTree(people).query(people, k=2)[0][:, 1].mean())


def crowded_half(spacings: Sequence[float]) -> Tensor:
    """(B,) bool: the half of a batch whose people are closest together; of an odd number the smaller half, of one image none."""
    half = torch.zeros(len(spacings), dtype=torch.bool)
    half[np.argsort(spacings, kind="stable")[: len(spacings) // 2].copy()] = True
    return half
