"""An architecture as a flat table of choices, read from the arch alone: dotted place -> value, as choices are named."""

from collections.abc import Iterator, Mapping
from typing import Any

INACTIVE = "-"
"""The value of a place that an architecture does not have, as another option was chosen."""


def places(arch: Mapping[str, Any]) -> dict[str, str]:
    """`stage1.mixer: pool`, `stage1.mixer.pool.size: 3`, `stage1.depth: 3`."""
    return dict(_places(arch, ""))


def _places(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield place, str(value)
        return
    inside = place
    if "name" in value:
        yield place, str(value["name"])
        inside = f"{place}.{value['name']}"
    for key, inner in value.items():
        if key != "name":
            yield from _places(inner, f"{inside}.{key}".lstrip("."))
