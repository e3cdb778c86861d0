"""A member as numbers that latency may be additive in: which option each place has, how often it is repeated, its work."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluators.api import Measurements
from space import Arch
from space.places import places

DEPTH = "depth"
"""Blocks of a stage: what stands beside it is there so many times."""


@dataclass(frozen=True)
class Features:
    """values: the places with the values that the fitted members have there, where these differ. known: all of them. work: names of
    what any of them does."""

    values: tuple[tuple[str, str], ...]
    known: frozenset[tuple[str, str]]
    work: tuple[str, ...]

    @classmethod
    def of(cls, arches: Sequence[Arch], work: Sequence[Measurements]) -> "Features":
        found = [places(arch.arch) for arch in arches]
        known = {item for chosen in found for item in chosen.items()}
        varying = sorted(item for item in known if not all(item in chosen.items() for chosen in found))
        return cls(tuple(varying), frozenset(known), tuple(sorted({name for each in work for name in each})))

    def unseen(self, arch: Arch) -> list[str]:
        """Choices that no fitted member has."""
        return [f"{place}={value}" for place, value in places(arch.arch).items() if (place, value) not in self.known]

    def chosen(self, arches: Sequence[Arch]) -> np.ndarray:
        """(n, 2 values): 1 where a member has that value; then the same times the depth of the stage that it is in."""
        rows = []
        for arch in arches:
            chosen, depths = places(arch.arch), dict(_depths(arch.arch, ""))
            has = np.array([float(chosen.get(place) == value) for place, value in self.values])
            inside = [[n for stage, n in depths.items() if place.startswith(f"{stage}.")] for place, _ in self.values]
            rows.append(np.concatenate([has, has * [max(found, default=0) for found in inside]]))
        return np.array(rows)

    def counted(self, work: Sequence[Measurements]) -> np.ndarray:
        """(n, kinds of work)"""
        return np.array([[float(each.get(name, 0.0)) for name in self.work] for each in work])


def _depths(arch: Mapping[str, Any], place: str) -> Iterator[tuple[str, int]]:
    """Stages with the number of their blocks."""
    for key, inner in arch.items():
        if isinstance(inner, Mapping):
            inside = f"{place}.{key}".lstrip(".")
            if isinstance(inner.get(DEPTH), int):
                yield inside, inner[DEPTH]
            yield from _depths(inner, inside)
