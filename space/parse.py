"""The yaml of a space to a template: which mapping is a hole, and whether its every option fits its place."""

import re
from collections.abc import Mapping
from typing import Any

from registry import nearest
from space.schema import Field, Leaf, Place, Repeat, Struct, default_of, join, shown
from space.template import Fixed, Group, Hole, Layers, Node, Options, Tie, Value

HOLES = ("choice", "int", "repeat", "tie")


def parse(struct: Struct, given: Any) -> Group:
    """The template of a space's `arch:`. ValueError names the dotted place, what was given and what is allowed."""
    root = _group(struct, given, "")
    for tie in _ties(root):
        _check_tie(root, tie)
    return root


def _hole_key(given: Any, where: str) -> str | None:
    """Which hole a mapping is, or None."""
    keys = [key for key in HOLES if key in given] if isinstance(given, Mapping) else []
    if len(keys) > 1:
        raise ValueError(f"{where}: given {' and '.join(keys)} together; a hole is one of: {', '.join(HOLES)}")
    return keys[0] if keys else None


def _group(struct: Struct, given: Any, where: str) -> Group:
    if hole := _hole_key(given, where):
        fields = ", ".join(struct.fields)
        raise ValueError(f"{where or 'arch'}: '{hole}' cannot stand for a whole {struct.noun}; its holes go to: {fields}")
    struct.check_keys(given, where, repeats=True)
    return Group(where, {name: _field(struct, name, given, where) for name in struct.fields})


def _field(struct: Struct, name: str, given: Mapping[str, Any], where: str) -> Node:
    entry, place = struct.fields[name], join(where, name)
    if isinstance(entry.kind, Repeat):
        return _layers(struct, name, given, where)
    if name not in given:
        given = {name: default_of(entry, place, struct.noun)}
    return _place(entry, given[name], place)


def _place(entry: Field, given: Any, where: str) -> Node:
    if isinstance(entry.kind, Struct):
        return _group(entry.kind, given, where)
    hole = _hole_key(given, where)
    if hole == "repeat":
        raise ValueError(f"{where}: given a repeat; this place holds one {'option' if isinstance(entry.kind, Place) else 'value'}")
    if hole == "tie":
        return _tie(entry.kind, given, where)
    return _options(entry.kind, given, where) if isinstance(entry.kind, Place) else _value(entry.kind, given, where)


def _value(kind: Leaf, given: Any, where: str) -> Value | Fixed:
    hole = _hole_key(given, where)
    if not hole:
        return Fixed(where, kind.fill(given, where))
    _only(given, (hole,), where)
    if hole == "int" and (kind.listed or kind.base is str):
        raise ValueError(f"{where}: given an int hole; allowed: {'a list of ints' if kind.listed else kind.wanted}")
    listed = _range(given["int"], where) if hole == "int" else _listed(given["choice"], where)
    return Value(Hole(where, _distinct([kind.fill(option, where) for option in listed], where)))


def _options(kind: Place, given: Any, where: str) -> Options:
    """A slot's place: fixed (`pool`, `{name: pool, size: 3 or a hole}`) or `{choice: [...], <option>: {its holes}}`."""
    hole = _hole_key(given, where)
    if hole == "int":
        raise ValueError(f"{where}: given an int hole; allowed: a {kind.slot.kind}; {nearest('', kind.slot.names())}")
    if not hole:
        name, arguments = kind.split(given, where)
        return Options(where, None, {name: _group(kind.option(name), arguments, join(where, name))})
    if "name" in given:
        raise ValueError(f"{where}: given name and choice together; 'name' fixes an option, 'choice' lists several")
    names = _distinct([kind.split(option, where)[0] for option in _listed(given["choice"], where)], where)
    for key in given:
        if key != "choice" and key not in kind.slot:
            raise ValueError(
                f"{where}.{key}: unknown {kind.slot.kind} '{key}' beside 'choice'; {nearest(str(key), kind.slot.names())}"
            )
    # arguments of an option that a narrowed choice has dropped are checked too, and then left out
    listed = [*names, *(key for key in given if key != "choice" and key not in names)]
    bodies = {name: _group(kind.option(name), given.get(name, {}), join(where, name)) for name in listed}
    return Options(where, Hole(where, names), {name: bodies[name] for name in names})


def _layers(struct: Struct, name: str, given: Mapping[str, Any], where: str) -> Layers:
    item, place = struct.fields[name].kind.item, join(where, name)
    keys = struct.item_keys(name, given, where)
    if name not in given:
        filled = given if keys else struct.filled_items(name, struct.fields[name], given, where)
        keys = keys or list(filled)
        return Layers(place, None, tuple(_group(item, filled[key], join(where, key)) for key in keys))
    if keys:
        raise ValueError(f"{place}: given both '{name}' and '{keys[0]}'; write a repeat, or its items one by one")
    if _hole_key(given[name], place) != "repeat" or "of" not in given[name]:
        raise ValueError(f"{place}: given {shown(given[name])}; allowed: {{repeat: <int or hole>, of: <template of {item.noun}>}}")
    _only(given[name], ("repeat", "of"), place)
    counts, hole = _counts(given[name]["repeat"], join(place, "count"))
    items = tuple(_group(item, given[name]["of"], f"{place}{n}") for n in range(1, max(counts) + 1))
    return Layers(place, hole, items)


def _counts(given: Any, where: str) -> tuple[tuple[int, ...], Hole | None]:
    if _hole_key(given, where) in ("tie", "repeat"):
        raise ValueError(f"{where}: a count is an int, {{int: [...]}} or {{choice: [...]}}; to tie two counts, write a rule")
    node = _value(Leaf(int), given, where)
    counts = node.hole.options if isinstance(node, Value) else (node.value,)
    if min(counts) < 1:
        raise ValueError(f"{where}: given {min(counts)}; a repeat has at least one item")
    return counts, node.hole if isinstance(node, Value) else None


def _tie(kind: Leaf | Place, given: Mapping[str, Any], where: str) -> Tie:
    _only(given, ("tie",), where)
    if not isinstance(given["tie"], str) or not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", given["tie"]):
        raise ValueError(f"{where}: given a tie to {shown(given['tie'])}; allowed: the dotted path of another hole, from the root")
    return Tie(where, tuple(given["tie"].split(".")), kind)


def _ties(node: Node) -> list[Tie]:
    if isinstance(node, Tie):
        return [node]
    inner = {Group: lambda n: n.nodes.values(), Options: lambda n: n.bodies.values(), Layers: lambda n: n.items}.get(type(node))
    return [tie for child in (inner(node) if inner else ()) for tie in _ties(child)]


def _check_tie(root: Group, tie: Tie) -> None:
    node: Node = root
    for depth, key in enumerate(tie.target):
        if not isinstance(node, Group):
            raise ValueError(f"{tie.name}: tied to {'.'.join(tie.target)}; a tie cannot point into an option or a repeat")
        if key not in node.nodes:
            so_far = ".".join(tie.target[: depth + 1])
            raise ValueError(f"{tie.name}: tied to {so_far}, an unknown place; {nearest(key, list(node.nodes))}")
        node = node.nodes[key]
    target = ".".join(tie.target)
    if not isinstance(node, Value | Fixed | Options):
        raise ValueError(f"{tie.name}: tied to {target}, a {type(node).__name__.lower()}; a tie points to a value or an option")
    slots = isinstance(tie.kind, Place), isinstance(node, Options)
    if any(slots):
        names = list(node.bodies) if isinstance(node, Options) else []
        if not all(slots) or any(name not in tie.kind.slot for name in names):
            raise ValueError(f"{tie.name}: tied to {target}, which holds something else")
        return
    for option in node.hole.options if isinstance(node, Value) else (node.value,):
        tie.kind.fill(option, f"{tie.name} (tied to {target})")


def _only(given: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in allowed:
            raise ValueError(f"{where}.{key}: unexpected beside '{allowed[0]}'; allowed here: {', '.join(allowed)}")


def _listed(given: Any, where: str) -> list[Any]:
    if not isinstance(given, list | tuple) or not given:
        raise ValueError(f"{where}: choice given {shown(given)}; allowed: a list of one or more options")
    for option in given:
        if isinstance(option, bool | Mapping) or option is None:
            raise ValueError(f"{where}: an option is a name, a number or a list of ints; given {shown(option)}")
    return list(given)


def _range(given: Any, where: str) -> range:
    bounds = given if isinstance(given, list | tuple) else ()
    if len(bounds) not in (2, 3) or any(isinstance(b, bool) or not isinstance(b, int) for b in bounds):
        raise ValueError(f"{where}: int given {given!r}; allowed: [low, high] or [low, high, step]")
    low, high, step = (*bounds, 1)[:3]
    if low > high or step < 1:
        raise ValueError(f"{where}: int given {given!r}; low <= high and step >= 1 must hold")
    return range(low, high + 1, step)


def _distinct(options: list[Any], where: str) -> tuple[Any, ...]:
    for n, option in enumerate(options):
        if option in options[:n]:
            raise ValueError(f"{where}: option {option!r} is listed twice")
    return tuple(options)
