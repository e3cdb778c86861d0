"""Names to objects. Everything that a yaml can name (an option, a network, a task, a strategy) is found here by that name."""

import difflib
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def nearest(name: str, known: list[str]) -> str:
    """The tail of an error about an unknown name: the known ones and, where one is close, a guess."""
    guess = difflib.get_close_matches(name, known, n=1)
    return f"known: {', '.join(known)}." + (f" Did you mean '{guess[0]}'?" if guess else "")


class Registry(Generic[T]):
    """A named table of one kind of thing. `kind` is the noun that error messages use."""

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that enters an object under `name`; ValueError where another object holds that name."""

        def enter(entry: T) -> T:
            if name in self._entries:
                raise ValueError(f"{self.kind} '{name}' is registered twice: {self._entries[name]!r} and {entry!r}")
            self._entries[name] = entry
            return entry

        return enter

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise ValueError(f"unknown {self.kind} '{name}'; {nearest(str(name), self.names())}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def names(self) -> list[str]:
        return sorted(self._entries)


@dataclass(frozen=True)
class Option:
    """One choice of a block: the option's name and the arguments that differ from its constructor's defaults."""

    name: str
    args: Mapping[str, Any] = field(default_factory=dict)


def named_by(maker: Callable[..., Any], context: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a context that `maker` has parameters for: what a place offers and a thing has no use for, it need not take."""
    names = inspect.signature(maker).parameters
    return {name: value for name, value in context.items() if name in names}


class Slot(Registry[Callable[..., Any]]):
    """A registry of interchangeable blocks. What the place offers (dim, grid, activation ...) an option takes by the names of its
    positional parameters; what an architecture chooses are its keyword-only ones, and those alone may be named in a yaml."""

    def arguments(self, name: str) -> dict[str, inspect.Parameter]:
        """The parameters of option `name` that an architecture may set."""
        parameters = inspect.signature(self[name], eval_str=True).parameters.values()
        return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}

    def build(self, option: Option, **context: Any) -> Any:
        """Construct the option for the place that `context` describes; what it has no parameter for is left out."""
        maker = self[option.name]
        return maker(**named_by(maker, context), **option.args)


def import_siblings(package: str) -> None:
    """Import every module of a package, so that a new file registers itself without any list being edited."""
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package}.{module.name}")


def import_plugins(names: Iterable[str]) -> None:
    """Import modules of the user's own project, found from the current folder too. ValueError where one is not there."""
    here = os.getcwd()
    if "" not in sys.path and here not in sys.path:
        sys.path.insert(0, here)
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            where = f"it is looked for in {here} and in Python's path"
            raise ValueError(f"plugins: cannot import '{name}' ({error}); {where}") from error
