"""What an architecture changes of the baseline: dotted places, and the two values there."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One place, with its value in the baseline and here; '' where the place does not exist."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before or 'none'} -> {self.after or 'none'}"


def changes(arch: Mapping[str, Any], baseline: Mapping[str, Any]) -> tuple[Change, ...]:
    """Every difference, in the baseline's order. Where another option is chosen, its arguments stand behind its name."""
    return tuple(_between(baseline, arch, ""))


def value_text(value: Any) -> str:
    """A value on one line: `pool (size 3)`, `[3, 5]`, `64`."""
    if not isinstance(value, Mapping):
        return str(value)
    arguments = ", ".join(f"{key} {value_text(inner)}" for key, inner in value.items() if key != "name")
    return f"{value.get('name', '')} ({arguments})".strip() if arguments else str(value.get("name", ""))


def _between(before: Any, after: Any, place: str) -> Iterator[Change]:
    if before == after:
        return
    if not _same_kind(before, after):
        yield Change(place, _replaced(before, after), "" if after is None else value_text(after))
        return
    option = f"{place}.{before['name']}" if "name" in before else place
    for key in [*before, *(key for key in after if key not in before)]:
        yield from _between(before.get(key), after.get(key), f"{option}.{key}".lstrip("."))


def _replaced(before: Any, after: Any) -> str:
    """The baseline's value; of an option that another takes the place of, its name will do."""
    if isinstance(before, Mapping) and "name" in before and after is not None:
        return str(before["name"])
    return "" if before is None else value_text(before)


def _same_kind(before: Any, after: Any) -> bool:
    """Whether both are mappings with the same option chosen, so that only what is inside them differs."""
    both = isinstance(before, Mapping) and isinstance(after, Mapping)
    return both and before.get("name") == after.get("name")
