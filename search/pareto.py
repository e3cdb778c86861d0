"""Pareto dominance: the front of a run, ranks and hypervolume, for any number of objectives.

Points are tuples of values to be minimised (`objectives.point` flips what is maximised). Equal points do not dominate each other:
both stay on the front.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from search.objectives import Objective, point

if TYPE_CHECKING:
    from search.asks import Record

Point = tuple[float, ...]
BLOCK = 256
"""Points compared with all before them at a time."""


def dominates(left: Point, right: Point) -> bool:
    """Whether `left` is no worse everywhere and better somewhere."""
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))


def ranks(points: Sequence[Point] | np.ndarray) -> list[int]:
    """The front that each point lies on: 0 undominated, 1 undominated without front 0, and so on.

    A point lies one front behind the furthest of those that dominate it. In lexicographic order these all stand before it: two
    objectives need no more than a search among the fronts' last points (O(n log n)), more are compared block by block with numpy.
    """
    if len(points) == 0:
        return []
    unique, back = np.unique(np.asarray(points, dtype=float), axis=0, return_inverse=True)  # lexicographic; equals share a front
    if unique.shape[1] == 1:
        levels = np.arange(len(unique))
    elif unique.shape[1] == 2:
        levels = _ranks_of_two(unique[:, 1])
    else:
        levels = _ranks_of_many(unique[:, 1:])
    return [int(level) for level in levels[back.reshape(-1)]]


def _ranks_of_two(seconds: np.ndarray) -> np.ndarray:
    """Fronts by the second value, the first ascending: that of each front's newest point is its lowest, and they ascend."""
    lowest: list[float] = []
    levels = np.empty(len(seconds), dtype=int)
    for n, value in enumerate(seconds.tolist()):
        levels[n] = level = bisect_right(lowest, value)
        lowest[level : level + 1] = [value]
    return levels


def _ranks_of_many(values: np.ndarray) -> np.ndarray:
    """Fronts by all values but the first, which ascends; the values as places in their order, which compare faster."""
    places = [np.unique(column, return_inverse=True)[1].reshape(-1).astype(np.int32) for column in values.T]
    behind = np.zeros(len(values), dtype=np.int32)  # the level + 1 of those placed, 0 of the others
    for low in range(0, len(values), BLOCK):
        part = slice(low, min(low + BLOCK, len(values)))
        own = _furthest(places, part, slice(0, low), behind)
        inside = _dominating(places, part, part)
        np.fill_diagonal(inside, False)
        inside &= np.tri(len(own), k=-1, dtype=bool)  # a point stands behind those that dominate it
        while True:
            further = np.maximum(own, (inside * (own + 1)).max(axis=1))
            if (further == own).all():
                break
            own = further
        behind[part] = own + 1
    return behind - 1


def _dominating(places: list[np.ndarray], part: slice, others: slice) -> np.ndarray:
    """Which of `others` (columns) are no worse than each of `part` (rows)."""
    found = places[0][others] <= places[0][part, None]
    for place in places[1:]:
        found &= place[others] <= place[part, None]
    return found


def _furthest(places: list[np.ndarray], part: slice, others: slice, behind: np.ndarray) -> np.ndarray:
    """The level that the points before a block leave to each of its points."""
    if others.stop == 0:
        return np.zeros(part.stop - part.start, dtype=np.int32)
    return (_dominating(places, part, others) * behind[others]).max(axis=1)


def crowding(points: Sequence[Point]) -> list[float]:
    """How far apart each point's neighbours are, summed over the objectives, each as a share of its range; the ends are infinitely
    far (crowding distance, Deb et al. 2002). Of equal points the first has the room and the others none."""
    if not points:
        return []
    values, first = np.unique(np.asarray(points, dtype=float), axis=0, return_index=True)
    room = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        spread = ordered[-1] - ordered[0]
        if spread > 0:
            room[order[1:-1]] += (ordered[2:] - ordered[:-2]) / spread
            room[order[[0, -1]]] = np.inf
    distance = np.zeros(len(points))
    distance[first] = room
    return [float(value) for value in distance]


def best_first(points: Sequence[Point]) -> list[int]:
    """The points' places in order of merit: by front, within a front the least crowded first, of equals the earlier."""
    levels = ranks(points)
    room = [0.0] * len(points)
    fronts: dict[int, list[int]] = {}
    for n, level in enumerate(levels):
        fronts.setdefault(level, []).append(n)
    for members in fronts.values():
        for n, value in zip(members, crowding([points[m] for m in members]), strict=True):
            room[n] = value
    return sorted(range(len(points)), key=lambda n: (levels[n], -room[n], n))


def front(records: "Sequence[Record]", goals: tuple[Objective, ...]) -> "list[Record]":
    """The ended-ok records that no other dominates, best of the first objective first. One for each trial: its furthest rung."""
    latest = {record.trial: record for record in records if record.ok}
    valued = [(at, record) for record in latest.values() if (at := point(record.measurements, goals)) is not None]
    levels = ranks([at for at, _ in valued])
    best = [(at, record.number, record) for (at, record), level in zip(valued, levels, strict=True) if level == 0]
    return [record for _, _, record in sorted(best, key=lambda entry: entry[:2])]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """The volume between the points and a reference that is worse than they are; points beyond it count for nothing.

    Exact, by slicing along the last objective (hypervolume by slicing objectives, While et al. 2006); for fronts of hundreds.
    """
    inside = sorted({p for p in points if all(a < b for a, b in zip(p, reference, strict=True))}, key=lambda p: p[-1])
    if len(reference) == 1:
        return reference[0] - inside[0][0] if inside else 0.0
    volume = 0.0
    for index, current in enumerate(inside):
        upper = inside[index + 1][-1] if index + 1 < len(inside) else reference[-1]
        if upper > current[-1]:
            volume += (upper - current[-1]) * hypervolume([p[:-1] for p in inside[: index + 1]], reference[:-1])
    return volume
