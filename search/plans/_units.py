"""Differences in units that can be made one without the other: what is alike in several blocks, and what only moves together."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from search.plans._differences import Difference, Judge
from search.plans._patterns import merged, unnumbered
from space import Arch

EXACT = 2  # so many others are tried in every combination, before they are looked for one by one


@dataclass(frozen=True, eq=False)
class Unit:
    """One change as a reader counts them: the same in each of some blocks."""

    parts: tuple[Difference, ...]

    @property
    def name(self) -> str:
        before, after = self.parts[0].values
        return f"{merged([part.name for part in self.parts])}: {before} -> {after}"

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.name for part in self.parts)

    @property
    def place(self) -> str:
        return merged(self.names)


def units(found: Iterable[Difference], *, alike: bool) -> list[Unit]:
    """The differences, each on its own or with those that are the same in other numbered blocks; in the order of the first."""
    groups: dict[object, list[Difference]] = {}
    for n, each in enumerate(found):
        groups.setdefault((unnumbered(each.name), *each.values) if alike else n, []).append(each)
    return [Unit(tuple(group)) for group in groups.values()]


def parts_of(group: Iterable[Unit]) -> list[Difference]:
    return [part for unit in group for part in unit.parts]


def mended(start: Arch, wanted: Unit, others: Sequence[Unit], judge: Judge) -> tuple[tuple[Unit, ...], str]:
    """The fewest of `others` that must move with `wanted`, and what breaks without them. ValueError says it where nothing helps.

    Up to two are found by trying all; more are added one by one, whichever leaves least broken, and dropped again where they were
    not needed.
    """
    faults = _judged(start, wanted, judge)
    alone = faults(())
    if not alone:
        return (), ""
    why = sorted(alone)[0]
    for count in range(1, EXACT + 1):
        for joined in combinations(others, count):
            if not faults(joined):
                return joined, why
    found = _one_by_one(faults, others)
    if found is None:
        raise ValueError(why)
    return found, why


def _judged(start: Arch, wanted: Unit, judge: Judge) -> Callable[[Sequence[Unit]], frozenset[str]]:
    return lambda joined: judge.faults(start, parts_of((wanted, *joined)))


def _one_by_one(faults: Callable[[Sequence[Unit]], frozenset[str]], others: Sequence[Unit]) -> tuple[Unit, ...] | None:
    chosen: list[Unit] = []
    while faults(chosen):
        left = [unit for unit in others if unit not in chosen]
        if not left:
            return None
        chosen.append(min(left, key=lambda unit: len(faults([*chosen, unit]))))
    for unit in list(chosen):
        rest = [each for each in chosen if each is not unit]
        if not faults(rest):
            chosen = rest
    return tuple(unit for unit in others if unit in chosen)


def explained(wanted: Unit, joined: Sequence[Unit], broken: str, *, opens: bool) -> str:
    """Why an arm is more than one place: '' where it is one."""
    reasons = []
    if len(wanted.parts) > 1:
        reasons.append(f"the same change in {len(wanted.parts)} blocks")
    if opens:
        reasons.append(f"the choices within move with {wanted.place}")
    if joined:
        reasons.append(f"moves with {', '.join(unit.place for unit in joined)}: alone {broken}")
    return "; ".join(reasons)
