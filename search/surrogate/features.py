"""A member of a space as numbers a model can compare: which option each hole has, and how often a question is answered alike."""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from space import Arch, Space

ABSENT = -1
"""The index of a hole that does not exist in a member, because the option that opens it was not chosen."""
SAMPLE = 200  # random members that stand for the space


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
        hole_of, key, steps, size = self._coordinates
        at = self.plain(members)[:, hole_of]
        found = (at == key).astype(float)
        found[:, steps] = np.where(at[:, steps] == ABSENT, 0.5, at[:, steps] > key[steps])
        return found * size, hole_of

    @cached_property
    def sample(self) -> np.ndarray:
        """Random members that stand for the space, the same ones in every process, as integers."""
        rng = random.Random("sample")
        return self([self.space.sample(rng) for _ in range(SAMPLE)])

    @cached_property
    def apart(self) -> tuple[float, float]:
        """How far apart two random members are, squared, on average: by `coordinates` and by `counts`."""
        by_option, by_count = (float(2 * at.var(0).sum()) for at in (self.coordinates(self.sample)[0], self.counts(self.sample)))
        return by_option, by_count

    @cached_property
    def _coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Of each coordinate its hole, the index that it compares with, whether it is a step (1 beyond that index; others are 1 at
        it), and its size."""
        rows: list[tuple[int, int, bool, float]] = []
        for hole, last in enumerate(self.ordered.tolist()):
            if last:
                rows += [(hole, index, True, last**-0.5) for index in range(last)] + [(hole, ABSENT, False, 0.75**0.5)]
            else:
                rows += [(hole, index, False, 0.5**0.5) for index in range(ABSENT, self._sizes[hole])]
        holes, keys, steps, sizes = zip(*rows, strict=True) if rows else ((), (), (), ())
        return np.array(holes, int), np.array(keys, np.int16), np.array(steps, bool), np.array(sizes, float)

    def counts(self, members: np.ndarray) -> np.ndarray:
        """(n, counts): how many holes of each group have each option, over the root of the group's size."""
        return self.dummies(self.plain(members)) @ self._counting

    @cached_property
    def _counting(self) -> np.ndarray:
        """(options of all holes, counts): which option of a hole adds to which count, and how much."""
        first = np.cumsum([0, *self._sizes])
        parts = [np.zeros((first[-1], 0))]
        for holes, options in self.groups:
            parts.append(np.zeros((first[-1], options)))
            for hole in holes:
                parts[-1][first[hole] + np.arange(options), np.arange(options)] = len(holes) ** -0.5
        return np.concatenate(parts, 1)

    def answers(self, members: np.ndarray) -> tuple[np.ndarray, ...]:
        """For each group the options of its holes (n, holes), that of a closed one being the last index."""
        members = self.plain(members)
        return tuple(np.where(at == ABSENT, options, at) for holes, options in self.groups for at in [members[:, list(holes)]])

    def plain(self, members: np.ndarray) -> np.ndarray:
        """(n, holes): of members that are the same network only written otherwise, always the same one. What networks are compared
        by; what they cost is guessed from how they are written (`dummies`), as an edge that brings nothing may still take time."""
        twins = self._twins
        if not twins:
            return members
        rows = [twins.get(row.tobytes(), row) for row in np.asarray(members, np.int16)]
        return np.array(rows, np.int16).reshape(members.shape)

    @cached_property
    def _twins(self) -> dict[bytes, np.ndarray]:
        same = self.space.twins
        return {row.tobytes(): twin for row, twin in zip(self(list(same)), self(list(same.values())), strict=True)}

    def dummies(self, members: np.ndarray) -> np.ndarray:
        """(n, options of all holes): 1 where a hole has that option."""
        hole_of, option = self._options
        return (members[:, hole_of] == option).astype(float)

    @cached_property
    def _options(self) -> tuple[np.ndarray, np.ndarray]:
        """The hole and the index of every option."""
        sizes = np.array(self._sizes, int)
        parts = [np.arange(size, dtype=np.int16) for size in sizes]
        return np.repeat(np.arange(len(sizes)), sizes), np.concatenate([np.empty(0, np.int16), *parts])

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
