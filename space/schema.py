"""What an architecture may contain: a network's dataclass and its slots, read once, then used to fill, hash and construct.

Three forms of one value meet here:
- given: what a yaml holds; options bare or `{name: ..., arguments}`, defaults left out;
- plain: the same in full (dict, list, str, int, float): defaults written out, numbers of the field's type, fields in order;
- canonical: plain less everything that is at its default; its JSON is hashed.
A repeat `layer: tuple[Layer, ...]` is written as the keys `layer1`, `layer2`, ... of its parent.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from registry import Option, Slot, nearest

RESERVED = ("choice", "int", "repeat", "of", "tie", "name")
NOTHING = object()  # a field without a default; an absent choice


def shown(value: Any) -> str:
    """A value as error messages quote it."""
    if isinstance(value, Mapping):
        return f"a mapping ({', '.join(map(str, value))})"
    if value is None or isinstance(value, bool):
        return f"{value!r} (quote a word that yaml reads as true, false or null; write 'identity' for no block)"
    return repr(value)


def name_of(plain: Any) -> str:
    """The option's name of a plain option, bare or with arguments."""
    return plain if isinstance(plain, str) else plain["name"]


@dataclass(frozen=True)
class Leaf:
    """A number, a word or a list of ints. `allowed` lists the values of a Literal."""

    base: type
    listed: bool = False
    allowed: tuple[Any, ...] = ()

    def fill(self, given: Any, where: str) -> Any:
        if not self.listed:
            return self._scalar(given, where)
        if not isinstance(given, list | tuple):
            raise ValueError(f"{where}: given {shown(given)}; allowed: a list of {self.base.__name__}s")
        return [self._scalar(item, where) for item in given]

    def _scalar(self, given: Any, where: str) -> Any:
        value = self._coerced(given)
        if value is None:
            raise ValueError(f"{where}: given {shown(given)}; allowed: {'one of ' * bool(self.allowed)}{self.wanted}")
        if self.allowed and value not in self.allowed:
            raise ValueError(f"{where}: given {shown(given)}; {nearest(str(given), [str(v) for v in self.allowed])}")
        return value

    @property
    def wanted(self) -> str:
        return ", ".join(map(str, self.allowed)) or {int: "an int", float: "a number", str: "a word"}[self.base]

    def _coerced(self, given: Any) -> Any:
        """`given` as this leaf's type, or None: 2 is the float 2.0 and 2.0 the int 2; a bool is neither."""
        if self.base is str:
            return given if isinstance(given, str) else None
        if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
            return None
        return self.base(given) if self.base is float or given == int(given) else None

    def canonical(self, plain: Any) -> Any:
        return plain

    def construct(self, plain: Any) -> Any:
        return tuple(plain) if self.listed else plain


@dataclass(frozen=True)
class Place:
    """A place for any option of a slot."""

    slot: Slot

    def option(self, name: str) -> "Struct":
        """The arguments of option `name`."""
        return _arguments(self.slot, name, self.slot[name])

    def split(self, given: Any, where: str) -> tuple[str, Mapping[str, Any]]:
        """A given option as its known name and its given arguments."""
        name = given.get("name") if isinstance(given, Mapping) else given
        if not isinstance(name, str):
            lacks = "a mapping without 'name'" if isinstance(given, Mapping) and "name" not in given else shown(name)
            wanted = f"a {self.slot.kind}'s name or {{name: ..., arguments}}"
            raise ValueError(f"{where}: given {lacks}; allowed: {wanted}; {nearest('', self.slot.names())}")
        if name not in self.slot:
            raise ValueError(f"{where}: unknown {self.slot.kind} '{name}'; {nearest(name, self.slot.names())}")
        return name, {} if isinstance(given, str) else {key: value for key, value in given.items() if key != "name"}

    def fill(self, given: Any, where: str) -> Any:
        name, arguments = self.split(given, where)
        filled = self.option(name).fill(arguments, f"{where}.{name}")
        return {"name": name, **filled} if filled else name

    def canonical(self, plain: Any) -> Any:
        if isinstance(plain, str):
            return plain
        arguments = self.option(plain["name"]).canonical(plain)
        return {"name": plain["name"], **arguments} if arguments else plain["name"]

    def construct(self, plain: Any) -> Option:
        name = name_of(plain)
        return Option(name, {} if isinstance(plain, str) else self.option(name).values(plain))


@dataclass(frozen=True)
class Repeat:
    """One or more blocks of the same structure, written as numbered keys."""

    item: "Struct"


@dataclass(frozen=True)
class Field:
    """One key of a structure. `default` is plain (of a repeat: a list of plain items) or NOTHING."""

    kind: "Leaf | Place | Struct | Repeat"
    default: Any = NOTHING

    @cached_property
    def canonical_default(self) -> Any:
        return NOTHING if self.default is NOTHING or isinstance(self.kind, Repeat) else self.kind.canonical(self.default)


@dataclass(frozen=True, eq=False)
class Struct:
    """Named fields: a dataclass, or the arguments of an option. `make` takes the constructed fields by keyword."""

    noun: str
    fields: dict[str, Field]
    make: Callable[..., Any] = field(default=dict)

    def item_field(self, key: str) -> str | None:
        """The repeat that key `layer3` is an item of (`layer`), or None."""
        match = re.fullmatch(r"(.*?)([1-9][0-9]*)", key)
        found = match and self.fields.get(match[1])
        return match[1] if found and isinstance(found.kind, Repeat) else None

    def check_keys(self, given: Any, where: str, *, repeats: bool = False) -> None:
        """ValueError where `given` is no mapping or has a key that is no field. `repeats`: `layer` itself is a key too."""
        if not isinstance(given, Mapping):
            raise ValueError(
                f"{where or 'arch'}: given {shown(given)}; allowed: a mapping of {self.noun} ({', '.join(self.fields)})"
            )
        for key in given:
            known = self.fields.get(key)
            if self.item_field(str(key)) or (known and (repeats or not isinstance(known.kind, Repeat))):
                continue
            if known:
                raise ValueError(f"{join(where, key)}: a filled architecture numbers its repeats: '{key}1', '{key}2', ...")
            keys = [f"{name}1" if isinstance(f.kind, Repeat) and not repeats else name for name, f in self.fields.items()]
            raise ValueError(f"{join(where, key)}: unknown key '{key}' of {self.noun}; {nearest(str(key), keys)}")

    def item_keys(self, name: str, given: Mapping[str, Any], where: str) -> list[str]:
        """`layer1`, `layer2`, ... as far as `given` has them; ValueError where a number is left out."""
        keys = [key for key in given if self.item_field(str(key)) == name]
        wanted = [f"{name}{n}" for n in range(1, len(keys) + 1)]
        if missing := [key for key in wanted if key not in keys]:
            raise ValueError(f"{join(where, missing[0])}: missing; given: {', '.join(keys)}; a repeat counts from 1 without gaps")
        return wanted

    def fill(self, given: Any, where: str = "") -> dict[str, Any]:
        """Given to plain. ValueError names the dotted place, what was given and what is allowed."""
        self.check_keys(given, where)
        plain: dict[str, Any] = {}
        for name, entry in self.fields.items():
            if isinstance(entry.kind, Repeat):
                plain |= self.filled_items(name, entry, given, where)
            elif name in given:
                plain[name] = entry.kind.fill(given[name], join(where, name))
            else:
                plain[name] = default_of(entry, join(where, name), self.noun)
        return plain

    def filled_items(self, name: str, entry: Field, given: Mapping[str, Any], where: str) -> dict[str, Any]:
        if keys := self.item_keys(name, given, where):
            return {key: entry.kind.item.fill(given[key], join(where, key)) for key in keys}
        return {f"{name}{n}": item for n, item in enumerate(default_of(entry, join(where, f"{name}1"), self.noun), 1)}

    def canonical(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, entry in self.fields.items():
            if isinstance(entry.kind, Repeat):
                found |= {key: entry.kind.item.canonical(item) for key, item in items_of(plain, name)}
                continue
            value = entry.kind.canonical(plain[name])
            if value != entry.canonical_default:
                found[name] = value
        return found

    def values(self, plain: Mapping[str, Any]) -> dict[str, Any]:
        """The constructed fields by name: dataclasses, Options, tuples."""
        return {
            name: tuple(entry.kind.item.construct(item) for _, item in items_of(plain, name))
            if isinstance(entry.kind, Repeat)
            else entry.kind.construct(plain[name])
            for name, entry in self.fields.items()
        }

    def construct(self, plain: Mapping[str, Any]) -> Any:
        return self.make(**self.values(plain))


def join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def default_of(entry: Field, where: str, noun: str) -> Any:
    if entry.default is NOTHING:
        raise ValueError(f"{where}: missing; {noun} has no default for it")
    return entry.default


def items_of(plain: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    """The items of repeat `name` in a plain structure, in order."""
    keys = []
    while (key := f"{name}{len(keys) + 1}") in plain:
        keys.append(key)
    return [(key, plain[key]) for key in keys]


@cache
def struct_of(kind: type) -> Struct:
    """The structure of a dataclass."""
    hints = get_type_hints(kind, include_extras=True)
    entries = {f.name: (hints[f.name], _python_default(f)) for f in dataclasses.fields(kind)}
    return _struct(kind.__name__, entries, kind)


@cache
def _arguments(slot: Slot, name: str, _entry: Callable[..., Any]) -> Struct:
    if name in RESERVED:
        raise ValueError(f"a {slot.kind} cannot be called '{name}'; reserved words: {', '.join(RESERVED)}")
    entries = {p.name: (p.annotation, NOTHING if p.default is p.empty else p.default) for p in slot.arguments(name).values()}
    return _struct(f"{slot.kind} '{name}'", entries, dict)


def _struct(noun: str, entries: dict[str, tuple[Any, Any]], make: Callable[..., Any]) -> Struct:
    fields = {}
    for name, (hint, default) in entries.items():
        if name in RESERVED:
            raise ValueError(f"{noun}: a field cannot be called '{name}'; reserved words: {', '.join(RESERVED)}")
        kind = _kind(hint, f"{noun}.{name}")
        fields[name] = Field(kind, default if default is NOTHING else _plain_default(kind, default, f"{noun}.{name}"))
    struct = Struct(noun, fields, make)
    if clash := [name for name in fields if struct.item_field(name)]:
        raise ValueError(f"{noun}.{clash[0]}: this name is an item of the repeat '{struct.item_field(clash[0])}'; rename one")
    return struct


def _kind(hint: Any, where: str) -> Leaf | Place | Struct | Repeat:
    arguments = get_args(hint)
    if hint in (int, float, str):
        return Leaf(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and hint is not Option:
        return struct_of(hint)
    if get_origin(hint) is Literal and len({type(v) for v in arguments} | {bool}) == 2 and type(arguments[0]) in (int, float, str):
        return Leaf(type(arguments[0]), allowed=arguments)
    if get_origin(hint) is Annotated and arguments[0] is Option and isinstance(arguments[1], Slot):
        return Place(arguments[1])
    if get_origin(hint) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        if arguments[0] is int:
            return Leaf(int, listed=True)
        if dataclasses.is_dataclass(arguments[0]):
            return _repeat(struct_of(arguments[0]))
    allowed = "int, float, str, Literal, tuple[int, ...], a slot's annotation, a dataclass, a tuple of one"
    raise ValueError(f"{where}: an architecture cannot hold a field of type {hint!r}; allowed: {allowed}")


def _repeat(item: Struct) -> Repeat:
    if "count" in item.fields:
        raise ValueError(f"{item.noun}.count: an item of a repeat cannot have a field 'count' (it names the number of items)")
    return Repeat(item)


def _python_default(entry: dataclasses.Field) -> Any:
    if entry.default is not dataclasses.MISSING:
        return entry.default
    return entry.default_factory() if entry.default_factory is not dataclasses.MISSING else NOTHING


def _plain_default(kind: Leaf | Place | Struct | Repeat, default: Any, where: str) -> Any:
    if isinstance(kind, Repeat):
        return [kind.item.fill(_given(item), where) for item in default]
    return kind.fill(_given(default), where)


def _given(value: Any) -> Any:
    """A Python default as a yaml would give it."""
    if isinstance(value, Option):
        return {"name": value.name, **{key: _given(item) for key, item in value.args.items()}}
    if dataclasses.is_dataclass(value):
        return dict(pair for f in dataclasses.fields(value) for pair in _given_pairs(f.name, getattr(value, f.name)))
    return list(value) if isinstance(value, tuple) else value


def _given_pairs(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, tuple) and value and dataclasses.is_dataclass(value[0]) and not isinstance(value[0], Option):
        return [(f"{name}{n}", _given(item)) for n, item in enumerate(value, 1)]
    return [(name, _given(value))]
