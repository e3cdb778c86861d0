"""Many places of a network in few words: `stage1,2.blocks.*.mixer`."""

import re
from collections.abc import Iterable

NUMBER = re.compile(r"(?<=stage)\d+|(?<=dark)\d+(?=\.|$)|(?<=\.)\d+(?=\.|$)")
Numbers = tuple[int, ...]


def listed(places: Iterable[str], everywhere: Iterable[str]) -> list[str]:
    """`places` with their numbers drawn together; `everywhere` is all that the network has, so that * can mean each of them."""
    known = by_template(everywhere)
    return [
        label(template, labels)
        for template, chosen in by_template(places).items()
        for labels in drawn_together(chosen, known.get(template, set()) | chosen)
    ]


def by_template(places: Iterable[str]) -> dict[str, set[Numbers]]:
    """The numbers of places that differ in these alone."""
    found: dict[str, set[Numbers]] = {}
    for place in places:
        found.setdefault(NUMBER.sub("#", place), set()).add(tuple(map(int, NUMBER.findall(place))))
    return found


def drawn_together(chosen: set[Numbers], known: set[Numbers]) -> list[tuple[str, ...]]:
    """Labels for each position, first those numbers together whose further positions have the same labels."""
    if chosen == {()}:
        return [()]
    rests: dict[tuple[str, ...], list[int]] = {}
    for first in sorted({numbers[0] for numbers in chosen}):
        after = ({numbers[1:] for numbers in group if numbers[0] == first} for group in (chosen, known))
        for rest in drawn_together(*after):
            rests.setdefault(rest, []).append(first)
    every = {numbers[0] for numbers in known}
    return [("*" if set(firsts) == every else ranged(firsts), *rest) for rest, firsts in rests.items()]


def ranged(numbers: list[int]) -> str:
    """1,2 or 3-7."""
    run = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}-{numbers[-1]}" if run else ",".join(map(str, numbers))


def label(template: str, labels: tuple[str, ...]) -> str:
    pieces = template.split("#")
    return "".join(piece + text for piece, text in zip(pieces, (*labels, ""), strict=True))
