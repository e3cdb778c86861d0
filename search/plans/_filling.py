"""An architecture with some of its choices set: what that opens is filled, what it closes is dropped."""

from collections.abc import Mapping
from typing import Any

from search.plans._differences import applied, differences
from search.plans._patterns import unnumbered
from space import Arch, Hole, Space
from space.sample import previous
from space.template import fill, read


def active(space: Space, arch: Arch) -> dict[str, Any]:
    """The choices of an architecture by name, in the space's order; where it is outside of the space, those that are inside."""
    values = read(space.template, dict(arch.arch)).values
    return {hole.name: values[hole.name] for hole in space.holes() if hole.name in values}


def options(space: Space) -> dict[str, tuple[Any, ...]]:
    return {hole.name: hole.options for hole in space.holes()}


def with_values(space: Space, arch: Arch, values: Mapping[str, Any], *, prefer: Arch | None = None) -> Arch:
    """`arch` with these choices set, rules not looked at. ValueError where the network refuses it.

    A choice that this opens takes the value that `prefer` has there or at the same place of another block, else that of the block
    before, else the baseline's, else the first: as a one-step change of a search does. What the space fixes otherwise stays.
    """
    known = active(space, arch)
    like = active(space, prefer) if prefer is not None else {}
    baseline = active(space, space.baseline) if space.baseline.network == space.network else {}
    plain = _filled(space, known, like, baseline)
    changed = _filled(space, {**known, **values}, like, baseline)
    return applied(arch, differences(plain, changed))


def _filled(space: Space, given: Mapping[str, Any], like: Mapping[str, Any], baseline: Mapping[str, Any]) -> Arch:
    values = dict(given)

    def pick(hole: Hole) -> Any:
        if hole.name not in values:
            alike = [value for name, value in like.items() if unnumbered(name) == unnumbered(hole.name)]
            before = [values[name] for name in previous(hole.name) if name in values]
            candidates = [like.get(hole.name), *alike, *before, baseline.get(hole.name)]
            values[hole.name] = next((value for value in candidates if value in hole.options), hole.options[0])
        return values[hole.name]

    return Arch(space.network, fill(space.template, pick))
