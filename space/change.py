"""One-step changes of a member: what differs from it in one choice, and in what that choice opens or closes."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from space.arch import Arch


@dataclass(frozen=True)
class Change:
    """One choice set to another value: `arch` is what that makes of the architecture it was asked for."""

    name: str
    before: Any
    after: Any
    arch: Arch


@dataclass(frozen=True, eq=False)
class Changes:
    """The one-step changes of a member, in the order of the holes and their options. Each is made when it is first looked at, and
    kept: who wants a few of them pays for a few."""

    named: tuple[tuple[str, Any, Any], ...]
    """(name, before, after) of each, those that a rule forbids among them."""
    make: Callable[[str, Any], Arch | None]
    """The member with a choice set to another value; None where there is no such member."""
    _made: dict[int, Change | None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Change]:
        return self._at(range(len(self.named)))

    def drawn(self, rng: random.Random) -> Iterator[Change]:
        """All of them in random order."""
        return self._at(rng.sample(range(len(self.named)), len(self.named)))

    def _at(self, places: Iterable[int]) -> Iterator[Change]:
        for place in places:
            if place not in self._made:
                name, before, after = self.named[place]
                arch = self.make(name, after)
                self._made[place] = None if arch is None else Change(name, before, after, arch)
            if (change := self._made[place]) is not None:
                yield change
