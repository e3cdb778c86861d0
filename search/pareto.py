"""Pareto dominance: the front of a run, ranks and hypervolume, for any number of objectives.

Points are tuples of values to be minimised (`objectives.point` flips what is maximised). Equal points do not dominate each other:
both stay on the front.
"""

from collections.abc import Sequence

from search.objectives import Objective, point
from search.records import Record

Point = tuple[float, ...]


def dominates(left: Point, right: Point) -> bool:
    """Whether `left` is no worse everywhere and better somewhere."""
    return left != right and all(a <= b for a, b in zip(left, right, strict=True))


def ranks(points: Sequence[Point]) -> list[int]:
    """The front that each point lies on: 0 undominated, 1 undominated without front 0, and so on. O(n^2) per front."""
    found: dict[int, int] = {}
    level = 0
    while len(found) < len(points):
        left = [index for index in range(len(points)) if index not in found]
        front = [i for i in left if not any(dominates(points[j], points[i]) for j in left)]
        found.update(dict.fromkeys(front, level))
        level += 1
    return [found[index] for index in range(len(points))]


def front(records: Sequence[Record], goals: tuple[Objective, ...]) -> list[Record]:
    """The ended-ok records that no other dominates, best of the first objective first. One for each trial: its furthest rung."""
    latest = {record.trial: record for record in records if record.ok}
    valued = [(record, at) for record in latest.values() if (at := point(record.measurements, goals)) is not None]
    points = [at for _, at in valued]
    best = [(at, record.number, record) for record, at in valued if not any(dominates(other, at) for other in points)]
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
