"""Dotted names such as `stage2.mixer.pool.size`, as steps: checked against types, read in an architecture, found in a template.

An index behind a name, `layer.mixer[-1]`, takes one value of the list that it reads as.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from registry import nearest
from space.schema import NOTHING, Leaf, Place, Repeat, Struct, items_of, name_of
from space.template import Fixed, Group, Hole, Layers, Node, Options, Tie, Value


@dataclass(frozen=True)
class Step:
    """One segment: a field; item `index` of a repeat, all its items, or their count; an option's arguments, or its name;
    value `index` of the list that the steps before it read."""

    kind: Literal["field", "item", "items", "count", "option", "name", "at"]
    key: str = ""
    index: int = 0


def steps_of(struct: Struct, name: str, indices: Sequence[int] = ()) -> tuple[tuple[Step, ...], Leaf | Place]:
    """The steps of a dotted name, and of the indices behind it, and the kind of value it reads as; ValueError where the types have
    no such place."""
    steps: list[Step] = []
    kind: Struct | Leaf | Place | Repeat = struct
    rest = name.split(".")
    while rest:
        found, kind, rest = _step(kind, rest, name)
        steps.append(found)
    if isinstance(kind, Place):
        steps.append(Step("name"))
    elif not isinstance(kind, Leaf):
        fields = list(kind.fields) if isinstance(kind, Struct) else ["count", *kind.item.fields]
        raise ValueError(f"{name} is a group, not a value; name one of its own: {', '.join(fields)}")
    lists = sum(step.kind == "items" for step in steps) + (isinstance(kind, Leaf) and kind.listed)
    if len(indices) > lists:
        allowed = f"{lists} behind it at most" if lists else "an index only behind a list"
        raise ValueError(f"{name}: given an index {''.join(f'[{i}]' for i in indices)}; allowed: {allowed}")
    return (*steps, *(Step("at", index=index) for index in indices)), kind


def _step(kind: Any, rest: list[str], name: str) -> tuple[Step, Any, list[str]]:
    key, rest = rest[0], rest[1:]
    if isinstance(kind, Repeat):
        return (Step("count"), Leaf(int), rest) if key == "count" else (Step("items"), kind.item, [key, *rest])
    if isinstance(kind, Place):
        if key not in kind.slot:
            raise ValueError(f"{name}: unknown {kind.slot.kind} '{key}'; {nearest(key, kind.slot.names())}")
        if not rest:
            raise ValueError(
                f"{name} is an option, not a value; compare its place with the name: {name.rpartition('.')[0]} == '{key}'"
            )
        return Step("option", key), kind.option(key), rest
    if isinstance(kind, Struct) and key in kind.fields:
        return Step("field", key), kind.fields[key].kind, rest
    if isinstance(kind, Struct) and (repeat := kind.item_field(key)):
        return Step("item", repeat, int(key.removeprefix(repeat))), kind.fields[repeat].kind.item, rest
    known = list(kind.fields) if isinstance(kind, Struct) else []
    raise ValueError(f"{name}: unknown name '{key}'; " + (nearest(key, known) if known else "the place before it is a value"))


def look(plain: Any, steps: tuple[Step, ...]) -> Any:
    """The value of a name in a plain architecture, lists as tuples; NOTHING where absent. A repeat collects what is present."""
    if steps and steps[-1].kind == "at":
        listed, index = look(plain, steps[:-1]), steps[-1].index
        return listed[index] if listed is not NOTHING and -len(listed) <= index < len(listed) else NOTHING
    for n, step in enumerate(steps):
        if step.kind == "name":
            return name_of(plain)
        if step.kind == "option":
            if name_of(plain) != step.key:
                return NOTHING
        elif step.kind == "field":
            if n + 1 < len(steps) and steps[n + 1].kind in ("items", "count"):
                return _collected([item for _, item in items_of(plain, step.key)], steps[n + 1 :])
            plain = plain[step.key]
        else:
            plain = plain.get(f"{step.key}{step.index}", NOTHING)
            if plain is NOTHING:
                return NOTHING
    return tuple(plain) if isinstance(plain, list) else plain


def _collected(items: list[Any], steps: tuple[Step, ...]) -> Any:
    if steps[0].kind == "count":
        return len(items)
    found = (look(item, steps[1:]) for item in items)
    return tuple(value for value in found if value is not NOTHING)


def holes_on(root: Group, steps: tuple[Step, ...], name: str) -> Iterator[tuple[Hole, bool]]:
    """The holes that decide what a name reads: (hole, True) for those it names, (hole, False) for those that make it present.

    ValueError where the name is of an item beyond the largest count.
    """
    yield from _within(root, root, steps, name)


def _within(root: Group, group: Group, steps: tuple[Step, ...], name: str) -> Iterator[tuple[Hole, bool]]:
    first, rest = steps[0], steps[1:]
    node: Node = group.nodes[first.key]
    if isinstance(node, Tie):
        yield from _within(root, root, (*(Step("field", key) for key in node.target), *rest), name)
    elif isinstance(node, Group):
        yield from _within(root, node, rest, name)
    elif isinstance(node, Value):
        yield node.hole, True
    elif isinstance(node, Options):
        if node.hole:
            yield node.hole, rest[0].kind == "name"
        if rest[0].kind == "option" and rest[0].key in node.bodies:
            yield from _within(root, node.bodies[rest[0].key], rest[1:], name)
    elif not isinstance(node, Fixed):
        yield from _in_items(root, node, steps, name)


def _in_items(root: Group, node: Any, steps: tuple[Step, ...], name: str) -> Iterator[tuple[Hole, bool]]:
    first, rest = steps[0], steps[1:]
    if node.hole:
        yield node.hole, bool(rest) and rest[0].kind == "count"
    if first.kind == "item":
        if first.index > len(node.items):
            raise ValueError(f"{name}: there is no item {first.index}; {node.name} has at most {len(node.items)}")
        yield from _within(root, node.items[first.index - 1], rest, name)
    elif rest[0].kind == "items":
        for item in _indexed(node, rest, name):
            yield from _within(root, item, _without_index(rest[1:]), name)


def _indexed(node: Layers, rest: tuple[Step, ...], name: str) -> Sequence[Group]:
    """The items that an index behind the name can mean: all, where some of them may lack the value or there is no index."""
    index = next((step.index for step in rest if step.kind == "at"), None)
    if index is None or any(step.kind in ("option", "items") for step in rest[1:]):
        return node.items
    counts = node.hole.options if node.hole else (len(node.items),)
    if not (found := sorted({range(n)[index] for n in counts if -n <= index < n})):
        raise ValueError(f"{name}: there is no item [{index}]; {node.name} has at most {max(counts)}")
    return [node.items[n] for n in found]


def _without_index(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps within an item: the first index is spent on the repeat."""
    first = next((n for n, step in enumerate(steps) if step.kind == "at"), len(steps))
    return steps[:first] + steps[first + 1 :]
