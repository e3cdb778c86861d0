"""What turns one architecture into another, place by place, and which part of it may be taken alone.

An option that another takes the place of is one difference, its own choices with it. Names are those of a space's choices:
`stage1.mixer.attention.kv`, `encoder.layer.count`.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from space import Arch, Space
from space.arch import structure
from space.rules import broken
from space.schema import Place, Repeat, Struct, items_of, join, name_of
from space.template import read

ABSENT = "none"


@dataclass(frozen=True, eq=False)
class Difference:
    """One place: its key under `path` of the plain architecture, and what stands there before and after. Of a repeat, `count`
    says that its number of items differs: then `before` and `after` are the items."""

    name: str
    path: tuple[str, ...]
    before: Any
    after: Any
    count: bool = False

    @property
    def values(self) -> tuple[str, str]:
        if self.count:
            return str(len(self.before)), str(len(self.after))
        return short(self.before), short(self.after)

    @property
    def text(self) -> str:
        before, after = self.values
        return f"{self.name}: {before} -> {after}"

    @property
    def opened(self) -> tuple[tuple[str, Any], ...]:
        """The places that the new option brings along, by name."""
        return tuple(_arguments(self.after, self.name)) if isinstance(self.after, Mapping) else ()


def differences(before: Arch, after: Arch) -> list[Difference]:
    """Everything that differs, in the order of the network's fields."""
    return list(_of_struct(structure(before.network), before.arch, after.arch, "", ()))


def applied(arch: Arch, parts: Iterable[Difference]) -> Arch:
    """`arch` with these places set. ValueError where the network refuses the combination."""
    plain = copy.deepcopy(dict(arch.arch))
    for part in parts:
        *parents, last = part.path
        inner = plain
        for key in parents:
            inner = inner[key]
        if part.count:
            for key, _ in items_of(inner, last):
                if int(key.removeprefix(last)) > len(part.after):
                    del inner[key]
            for n in range(len(part.before), len(part.after)):
                inner[f"{last}{n + 1}"] = copy.deepcopy(part.after[n])
        else:
            inner[last] = copy.deepcopy(part.after)
    return Arch.make(arch.network, plain)


def short(value: Any) -> str:
    """A value as the name of a change holds it: of an option its name."""
    return str(value["name"]) if isinstance(value, Mapping) and "name" in value else str(value)


def texts(parts: Iterable[Difference], named: Iterable[str]) -> tuple[str, ...]:
    """All that the differences change, with what a new option brings along: its choices where the space has any, else all of it."""
    known, lines = set(named), []
    for part in parts:
        lines.append(part.text)
        opened = [(name, value) for name, value in part.opened if name in known] or (part.opened if part.name not in known else ())
        lines += [f"{name}: {ABSENT} -> {short(value)}" for name, value in opened]
    return tuple(lines)


class Judge:
    """Which architectures may be trained: those that break nothing that the given ones do not break already. So two ends that lie
    outside of the space, in a width that it fixes, may still be compared in what it leaves open."""

    def __init__(self, space: Space, *given: Arch):
        self.space = space
        self._accepted = frozenset[str]().union(*(_faults(space, arch) for arch in given))

    def faults(self, start: Arch, parts: Iterable[Difference]) -> frozenset[str]:
        """What `start` with these parts breaks; empty where it may be trained."""
        try:
            return _faults(self.space, applied(start, parts)) - self._accepted
        except ValueError as error:  # the network's own types refuse it
            return frozenset([str(error)])


def _faults(space: Space, arch: Arch) -> frozenset[str]:
    rules = {f"the rule '{rule.text}' does not hold" for rule in broken(space.rules, dict(arch.arch))}
    return frozenset({*read(space.template, dict(arch.arch)).faults, *rules})


def _of_struct(
    struct: Struct, before: Mapping[str, Any], after: Mapping[str, Any], name: str, path: tuple[str, ...]
) -> Iterator[Difference]:
    for key, entry in struct.fields.items():
        place = join(name, key)
        if isinstance(entry.kind, Repeat):
            ours, theirs = items_of(before, key), items_of(after, key)
            if len(ours) != len(theirs):
                items = ([item for _, item in each] for each in (ours, theirs))
                yield Difference(join(place, "count"), (*path, key), *items, count=True)
            for (item, one), (_, other) in zip(ours, theirs, strict=False):
                yield from _of_struct(entry.kind.item, one, other, join(name, item), (*path, item))
        elif isinstance(entry.kind, Struct):
            yield from _of_struct(entry.kind, before[key], after[key], place, (*path, key))
        elif before[key] == after[key]:
            continue
        elif isinstance(entry.kind, Place) and name_of(before[key]) == name_of(after[key]):
            option = name_of(before[key])
            yield from _of_struct(entry.kind.option(option), before[key], after[key], join(place, option), (*path, key))
        else:
            yield Difference(place, (*path, key), before[key], after[key])


def _arguments(option: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    inside = join(name, option["name"])
    for key, value in option.items():
        if key != "name":
            yield join(inside, key), value
            if isinstance(value, Mapping) and "name" in value:
                yield from _arguments(value, join(inside, key))
