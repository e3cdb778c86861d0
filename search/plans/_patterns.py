"""Patterns over the names of choices, such as `stage*.mixer`: shell wildcards, on names with and without their items' numbers."""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from itertools import pairwise
from math import prod

from registry import nearest

SHOWN = 40  # names in an error about a pattern that matches none


def unnumbered(name: str) -> str:
    """`encoder.layer3.window` -> `encoder.layer.window`."""
    return re.sub(r"(?<=[A-Za-z_])[0-9]+(?=\.|$)", "", name)


def matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or fnmatchcase(unnumbered(name), pattern)


def matching(names: Sequence[str], patterns: Iterable[str], *, key: str) -> list[str]:
    """The names that a pattern matches, in their own order; all without patterns. ValueError where a pattern matches none."""
    given = list(patterns)
    for pattern in given:
        check(names, pattern, key=key)
    return [name for name in names if not given or any(matches(name, pattern) for pattern in given)]


def check(names: Sequence[str], pattern: str, *, key: str) -> None:
    if not any(matches(name, pattern) for name in names):
        known = {*map(unnumbered, names), *(names if len(names) <= SHOWN else ())}
        raise ValueError(f"{key}: '{pattern}' matches no choice here; {nearest(pattern, sorted(known))}")


def merged(names: Sequence[str]) -> str:
    """One name for names that differ in their numbers only: `stage1-4.embed`, `stage1,3.mixer`."""
    parts = [re.split(r"([0-9]+)", name) for name in names]
    if len({tuple(part[::2]) for part in parts}) > 1 or len(names) == 1:
        return names[0] if len(names) == 1 else f"{unnumbered(names[0])} ({len(names)} places)"
    numbers = [sorted({int(part[n]) for part in parts}) for n in range(1, len(parts[0]), 2)]
    if prod(map(len, numbers)) > len(names):  # not every combination is among them
        return f"{unnumbered(names[0])} ({len(names)} places)"
    return "".join(text + number for text, number in zip(parts[0][::2], [*map(_ranges, numbers), ""], strict=True))


def _ranges(numbers: Sequence[int]) -> str:
    """1, 2, 3, 5 -> `1-3,5`."""
    breaks = [n + 1 for n, (a, b) in enumerate(pairwise(numbers)) if b != a + 1]
    runs = [numbers[a:b] for a, b in pairwise([0, *breaks, len(numbers)])]
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
