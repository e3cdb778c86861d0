"""A member of a space as numbers a model can compare: which option each hole has, and how often a question is answered alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from space import Arch, Space

ABSENT = -1
"""The index of a hole that does not exist in a member, because the option that opens it was not chosen."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """Members of one space as integers (n, holes): the index of each hole's option, ABSENT where it is closed.

    `ordered`: of a hole of ascending numbers, the last index; 0 of names and lists. `groups`: the holes that put the same question
    in different places (a stage's mixer), with the number of options.
    """

    space: Space
    ordered: np.ndarray
    groups: tuple[tuple[tuple[int, ...], int], ...]

    def __call__(self, arches: Sequence[Arch]) -> np.ndarray:
        return np.array([_indices(self.space, arch) for arch in arches], np.int16).reshape(len(arches), len(self.ordered))

    def coordinates(self, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, f) such that the squared distance of two members is the sum of how unlike they are in each hole, and the hole of each
        coordinate (f,).

        Of words two that differ are unlike by 1. Of numbers in order the first and the last are, and those between by their part of
        the way; where the hole is closed in one of the two, by 1.
        """
        found, holes = [], []
        for hole, last in enumerate(self.ordered):
            index = members[:, [hole]]
            if last:
                steps = np.where(index == ABSENT, 0.5, index > np.arange(last)) / last**0.5
                found.append(np.concatenate([steps, 0.75**0.5 * (index == ABSENT)], 1))
            else:
                found.append((index == np.arange(ABSENT, self._sizes[hole])) / 2**0.5)
            holes += [hole] * found[-1].shape[1]
        return np.concatenate(found, 1) if found else np.zeros((len(members), 0)), np.array(holes, int)

    def counts(self, members: np.ndarray) -> np.ndarray:
        """(n, counts): how many holes of each group have each option, over the root of the group's size."""
        found = [
            (members[:, list(holes), None] == np.arange(options)).sum(1) / np.sqrt(len(holes)) for holes, options in self.groups
        ]
        return np.concatenate(found, 1).astype(float) if found else np.zeros((len(members), 0))

    def answers(self, members: np.ndarray) -> tuple[np.ndarray, ...]:
        """For each group the options of its holes (n, holes), that of a closed one being the last index."""
        return tuple(np.where(at == ABSENT, options, at) for holes, options in self.groups for at in [members[:, list(holes)]])

    def dummies(self, members: np.ndarray) -> np.ndarray:
        """(n, options of all holes): 1 where a hole has that option."""
        parts = [members[:, [hole]] == np.arange(options) for hole, options in enumerate(self._sizes)]
        return np.concatenate(parts, 1).astype(float) if parts else np.zeros((len(members), 0))

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(hole.options) for hole in open_holes(self.space)]


@lru_cache(maxsize=8)
def encoding(space: Space) -> Encoding:
    holes = open_holes(space)
    ordered = [len(h.options) - 1 if _ascending(h.options) else 0 for h in holes]
    alike: dict[tuple[str, str], list[int]] = {}
    for index, hole in enumerate(holes):
        alike.setdefault((re.sub(r"\d+", "", hole.name), repr(hole.options)), []).append(index)
    groups = tuple((tuple(members), len(holes[members[0]].options)) for members in alike.values() if len(members) > 1)
    return Encoding(space, np.array(ordered, int), groups)


@lru_cache(maxsize=8)
def open_holes(space: Space) -> tuple:
    """The holes that leave a choice."""
    return tuple(hole for hole in space.holes() if len(hole.options) > 1)


def _ascending(options: tuple) -> bool:
    numbers = all(isinstance(option, int | float) for option in options)
    return numbers and len(options) > 2 and list(options) == sorted(options)


@lru_cache(maxsize=65536)
def _indices(space: Space, arch: Arch) -> tuple[int, ...]:
    chosen = space.choices(arch)
    return tuple(h.options.index(chosen[h.name]) if h.name in chosen else ABSENT for h in open_holes(space))
