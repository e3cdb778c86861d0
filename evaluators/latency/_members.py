"""Which members of a space a latency table measures, in an order in which any beginning of it is of use."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from space import Arch, Space

DRAWS = 1000  # random members in a row that are all known, before a space counts as used up


@dataclass(frozen=True)
class Member:
    """kind: baseline, known, change (of the baseline, in one step: `note` says which) or random."""

    arch: Arch
    kind: str
    note: str = ""


def members(space: Space, count: int, seed: int = 0) -> list[Member]:
    """The baseline and the known members; then by turns a random member and a one-step change of the baseline, first those changes
    whose value no member before them has. Random members say how choices add up, changes what each of them does; what is stated of
    the error is of the random ones."""
    return list(islice(_unlike(_in_order(space, random.Random(f"{seed}/latency table")), DRAWS), count))


def _in_order(space: Space, rng: random.Random) -> Iterator[Member]:
    yield Member(space.baseline, "baseline")
    yield from (Member(arch, "known") for arch in space.known)
    changes = list(space.changes(space.baseline)) if space.baseline in space else []
    rng.shuffle(changes)
    seen = {value for arch in (space.baseline, *space.known) if arch in space for value in _values(space, arch)}
    while True:
        drawn = space.sample(rng)
        seen |= _values(space, drawn)
        yield Member(drawn, "random")
        if changes:
            fresh = next((change for change in changes if _value(change.name, change.after) not in seen), changes[0])
            changes.remove(fresh)
            seen.add(_value(fresh.name, fresh.after))
            yield Member(fresh.arch, "change", f"{fresh.name}={fresh.after}")


def _unlike(ordered: Iterator[Member], patience: int) -> Iterator[Member]:
    """Each architecture once; the end where so many in a row bring nothing new."""
    known: set[str] = set()
    vain = 0
    for member in ordered:
        vain = 0 if member.arch.id not in known else vain + 1
        if vain == 0:
            known.add(member.arch.id)
            yield member
        elif vain >= patience:
            return


def _values(space: Space, arch: Arch) -> set[str]:
    return {_value(name, value) for name, value in space.choices(arch).items()}


def _value(name: str, value: object) -> str:
    return f"{name}={value}"
