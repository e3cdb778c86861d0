"""An architecture with holes, as a tree: filled by a function that picks a value for each hole, or read back from a filled one.

Every node knows its dotted place and puts itself under a key of its parent's plain mapping (a repeat puts several keys).
`pick` is asked in a fixed order, structure first: a count before its items, an option before its arguments.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any, Protocol

from space.schema import Leaf, Place, items_of, join, name_of

Plain = dict[str, Any]


@dataclass(frozen=True)
class Hole:
    """One variable. `options` are plain values: names, ints, floats or lists of ints; of a repeat's count, ints."""

    name: str
    options: tuple[Any, ...]

    def __hash__(self) -> int:
        return hash(self.name)


Pick = Callable[[Hole], Any]


@dataclass
class Reading:
    """What reading a filled architecture found: the value of each active hole, and each place that differs."""

    root: Plain
    values: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def take(self, hole: Hole, value: Any) -> bool:
        if value not in hole.options:
            self.faults.append(f"{hole.name}: given {value!r}; allowed: {', '.join(map(str, hole.options))}")
            return False
        self.values[hole.name] = value
        return True

    def same(self, name: str, value: Any, wanted: Any, why: str = "fixed in this space") -> None:
        if value != wanted:
            self.faults.append(f"{name}: given {value!r}; allowed: {wanted!r} ({why})")


class Node(Protocol):
    """A place of the template."""

    def put(self, out: Plain, key: str, pick: Pick, ties: list[tuple[Plain, str, "Tie"]]) -> None: ...
    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None: ...
    def holes(self) -> Iterator[Hole]: ...
    def count(self, known: Mapping[str, Any]) -> int:
        """The number of ways to fill this place, with the holes of `known` set to their values there. Rules do not count."""
        ...


@dataclass(frozen=True, eq=False)
class Fixed:
    """A value that every member has."""

    name: str
    value: Any

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        out[key] = self.value

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        reading.same(self.name, parent[key], self.value)

    def holes(self) -> Iterator[Hole]:
        yield from ()

    def count(self, known: Mapping[str, Any]) -> int:
        return 1


@dataclass(frozen=True, eq=False)
class Value:
    """A number, word or list to choose."""

    hole: Hole

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        out[key] = pick(self.hole)

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        reading.take(self.hole, parent[key])

    def holes(self) -> Iterator[Hole]:
        yield self.hole

    def count(self, known: Mapping[str, Any]) -> int:
        return 1 if self.hole.name in known else len(self.hole.options)


@dataclass(frozen=True, eq=False)
class Tie:
    """A copy of the value at another place, made once everything else is filled."""

    name: str
    target: tuple[str, ...]
    kind: Leaf | Place

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        out[key] = None  # keeps the order of fields
        ties.append((out, key, self))

    def copied(self, root: Plain) -> Any:
        value: Any = root
        for key in self.target:
            value = value[key]
        return self.kind.fill(value, self.name)

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        reading.same(self.name, parent[key], self.copied(reading.root), f"tied to {'.'.join(self.target)}")

    def holes(self) -> Iterator[Hole]:
        yield from ()

    def count(self, known: Mapping[str, Any]) -> int:
        return 1


@dataclass(frozen=True, eq=False)
class Group:
    """Named places in the order of the network's fields. Under a key of its own, or (an option's arguments) spread into one."""

    name: str
    nodes: dict[str, Node]

    @cached_property
    def names(self) -> frozenset[str]:
        """The holes within."""
        return frozenset(hole.name for hole in self.holes())

    @cached_property
    def free(self) -> int:
        return prod(node.count({}) for node in self.nodes.values())

    def spread(self, out: Plain, pick: Pick, ties: list) -> Plain:
        for key, node in self.nodes.items():
            node.put(out, key, pick, ties)
        return out

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        out[key] = self.spread({}, pick, ties)

    def read_all(self, plain: Mapping[str, Any], reading: Reading) -> None:
        for key, node in self.nodes.items():
            node.read(plain, key, reading)

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        self.read_all(parent[key], reading)

    def holes(self) -> Iterator[Hole]:
        for node in self.nodes.values():
            yield from node.holes()

    def count(self, known: Mapping[str, Any]) -> int:
        if self.names.isdisjoint(known):
            return self.free
        return prod(node.count(known) for node in self.nodes.values())


@dataclass(frozen=True, eq=False)
class Options:
    """One option of a slot: a hole over the names in `bodies`, or the only one of them (`hole` is None)."""

    name: str
    hole: Hole | None
    bodies: dict[str, Group]

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        option = pick(self.hole) if self.hole else next(iter(self.bodies))
        body = self.bodies[option]
        out[key] = body.spread({"name": option}, pick, ties) if body.nodes else option

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        option = name_of(parent[key])
        if self.hole:
            reading.take(self.hole, option)
        else:
            reading.same(self.name, option, next(iter(self.bodies)))
        if option in self.bodies:
            self.bodies[option].read_all(parent[key], reading)

    def holes(self) -> Iterator[Hole]:
        yield from [self.hole] if self.hole else ()
        for body in self.bodies.values():
            yield from body.holes()

    def count(self, known: Mapping[str, Any]) -> int:
        if self.hole and self.hole.name in known:
            return self.bodies[known[self.hole.name]].count(known)
        return sum(body.count(known) for body in self.bodies.values())


@dataclass(frozen=True, eq=False)
class Layers:
    """A repeat: `items` up to the largest count, each with holes of its own; the first `count` of them are put."""

    name: str
    hole: Hole | None
    items: tuple[Group, ...]

    def put(self, out: Plain, key: str, pick: Pick, ties: list) -> None:
        for n in range(pick(self.hole) if self.hole else len(self.items)):
            self.items[n].put(out, f"{key}{n + 1}", pick, ties)

    def read(self, parent: Mapping[str, Any], key: str, reading: Reading) -> None:
        given = items_of(parent, key)
        if self.hole:
            reading.take(self.hole, len(given))
        else:
            reading.same(join(self.name, "count"), len(given), len(self.items))
        for (_, plain), item in zip(given, self.items, strict=False):
            item.read_all(plain, reading)

    def holes(self) -> Iterator[Hole]:
        yield from [self.hole] if self.hole else ()
        for item in self.items:
            yield from item.holes()

    def count(self, known: Mapping[str, Any]) -> int:
        upto = list(accumulate((item.count(known) for item in self.items), mul))  # upto[n - 1]: ways to fill the first n
        if not self.hole:
            return upto[-1]
        counts = [known[self.hole.name]] if self.hole.name in known else self.hole.options
        return sum(upto[n - 1] for n in counts)


def fill(root: Group, pick: Pick) -> Plain:
    """The plain architecture that `pick` makes of the template."""
    ties: list[tuple[Plain, str, Tie]] = []
    plain = root.spread({}, pick, ties)
    for out, key, tie in ties:
        out[key] = tie.copied(plain)
    return plain


def read(root: Group, plain: Plain) -> Reading:
    """The holes' values in a plain architecture and the places where it is no filling of the template."""
    reading = Reading(plain)
    root.read_all(plain, reading)
    return reading
