"""Regular fractions of two-level designs, by pyDOE3: which rows, and which effects they cannot tell apart."""

import string
from collections.abc import Sequence
from itertools import combinations
from math import prod

from pyDOE3 import fracfact, fracfact_by_res

ORDER = 3  # factors of an interaction that a line of aliases still names


def fraction(count: int, resolution: int) -> list[tuple[int, ...]]:
    """Rows of 0 (the first level) and 1; the first row is all 0. ValueError where no fraction of so many factors reaches it."""
    rows = _rows(count, resolution)
    return [tuple(int(value != first) for value, first in zip(row, rows[0], strict=True)) for row in rows]


def _rows(count: int, resolution: int) -> list[list[float]]:
    if count < resolution:
        reach = ", ".join(["full", *map(str, range(3, count + 1))])
        raise ValueError(f"search.resolution: {resolution} given; allowed with {count} factors: {reach}")
    letters = string.ascii_lowercase[:count]
    half = " ".join([*letters[:-1], letters[:-1]])  # its resolution is the number of factors; pyDOE3 does not always find it
    if count == resolution:
        return fracfact(half).tolist()
    try:
        return fracfact_by_res(count, resolution).tolist()
    except ValueError:
        return fracfact(half).tolist()


def aliases(rows: Sequence[Sequence[int]], names: Sequence[str]) -> tuple[str, ...]:
    """Every main effect and two-way interaction with those that the rows cannot tell it from, up to three factors each.

    A sign says that the two would show with opposite ones: what is estimated is then their difference.
    """
    coded = [[2 * level - 1 for level in row] for row in rows]
    chains: dict[tuple[int, ...], list[tuple[int, str]]] = {}
    for order in range(1, ORDER + 1):
        for term in combinations(range(len(names)), order):
            column = tuple(prod(row[n] for n in term) for row in coded)
            key, sign = (column, 1) if column[0] > 0 else (tuple(-value for value in column), -1)
            chains.setdefault(key, []).append((sign, " x ".join(names[n] for n in term)))
    told = []
    for chain in chains.values():
        (first, name), *others = chain
        if others and name.count(" x ") < 2:
            told.append(" = ".join([name, *(other if sign == first else f"-({other})" for sign, other in others)]))
    return tuple(told)
