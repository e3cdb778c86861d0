"""How many members a space has, and which options none of them can take. Exact by counting wherever the rules allow it.

Without rules the count is a product over the tree. Rules join the holes they name (with those above them) into groups that are
independent of each other: the allowed settings of each are listed up to a cap, and their shares of all settings multiply.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod, sqrt
from typing import Any

from space.rules import Rule, broken
from space.template import Group, Hole, Plain, fill

CAP = 50_000  # settings of joint holes that are listed one by one
SAMPLES = 4_000  # random fillings that estimate a share where there are more


@dataclass(frozen=True)
class Size:
    """`count` members: exact, or (`exact` False) an estimate from samples, with at most `bound` members for sure."""

    count: int
    exact: bool
    bound: int
    error: float = 0.0
    """One standard error of the estimate, as a share of it."""

    def __str__(self) -> str:
        shown = f"{self.count:,}" if self.count < 10**7 else f"{self.count:.3e}"
        if self.exact:
            return f"{shown} members"
        if not self.count:
            return f"at most {self.bound:.3e} members (the rules let none of {SAMPLES:,} samples pass)"
        return f"about {shown} members (estimated from {SAMPLES:,} samples, +-{self.error:.0%}; at most {self.bound:.3e})"


@dataclass(frozen=True)
class Joint:
    """What a group of rules allows: the share of all fillings, and each (hole, option) seen in one of `hits` allowed settings."""

    holes: frozenset[str]
    share: Fraction
    exact: bool
    error: float
    hits: int
    seen: frozenset[tuple[str, str]]


def measure(root: Group, joints: Sequence[Joint]) -> Size:
    """The size of a space from the shares its rules leave."""
    total, bound = Fraction(root.free), Fraction(root.free)
    for joint in joints:
        total *= joint.share
        bound *= joint.share if joint.exact else 1
    error = sqrt(sum(joint.error**2 for joint in joints))
    return Size(round(total), all(joint.exact for joint in joints), int(bound), error)


def joints_of(root: Group, rules: Sequence[Rule], *, cap: int = CAP) -> list[Joint]:
    """The independent groups of rules and what each allows."""
    found = []
    for holes, together in _components(rules):
        settings = _settings_count(root, holes)
        found.append(_listed(root, holes, together) if settings <= cap else _sampled(root, holes, together))
    return found


def _components(rules: Sequence[Rule]) -> list[tuple[frozenset[str], list[Rule]]]:
    """Rules that share a hole, together. A rule without holes is a group of its own: it holds always or never."""
    groups: list[tuple[frozenset[str], list[Rule]]] = []
    for rule in rules:
        near = [group for group in groups if group[0] & rule.joint]
        groups = [group for group in groups if not group[0] & rule.joint]
        holes = rule.joint.union(*(group[0] for group in near))
        groups.append((holes, [*(r for group in near for r in group[1]), rule]))
    return groups


def _settings_count(root: Group, holes: frozenset[str]) -> int:
    """The number of settings of `holes` alone: the others are all set to one value."""
    return root.count({hole.name: hole.options[0] for hole in root.holes() if hole.name not in holes})


def fillings(root: Group, holes: frozenset[str] | None = None) -> Iterator[tuple[dict[str, Any], Plain]]:
    """Every filling (values of the active holes, plain), in a fixed order, the last hole changing fastest.

    With `holes`, only those vary and only theirs are the values; the others are at their first option.
    """
    trail: list[tuple[Hole, int]] = []
    while True:
        made: list[tuple[Hole, int]] = []

        def pick(hole: Hole, made: list[tuple[Hole, int]] = made, trail: list[tuple[Hole, int]] = trail) -> Any:
            if holes is not None and hole.name not in holes:
                return hole.options[0]
            index = trail[len(made)][1] if len(made) < len(trail) else 0
            made.append((hole, index))
            return hole.options[index]

        plain = fill(root, pick)
        yield {hole.name: hole.options[index] for hole, index in made}, plain
        while made and made[-1][1] + 1 == len(made[-1][0].options):
            made.pop()
        if not made:
            return
        trail = [*made[:-1], (made[-1][0], made[-1][1] + 1)]


def _listed(root: Group, holes: frozenset[str], rules: list[Rule]) -> Joint:
    allowed, hits, seen = 0, 0, set()
    for values, plain in fillings(root, holes):
        if not broken(rules, plain):
            allowed += root.count(values)
            hits += 1
            seen.update((name, str(value)) for name, value in values.items())
    return Joint(holes, Fraction(allowed, root.free), True, 0.0, hits, frozenset(seen))


def _sampled(root: Group, holes: frozenset[str], rules: list[Rule]) -> Joint:
    """Draw the joint holes one by one; a draw weighs as many fillings as it stands for, over its probability."""
    rng, weights, hits = random.Random(0), [], []
    seen: set[tuple[str, str]] = set()
    for _ in range(SAMPLES):
        drawn: dict[Hole, Any] = {}

        def pick(hole: Hole, drawn: dict[Hole, Any] = drawn) -> Any:
            return drawn.setdefault(hole, rng.choice(hole.options)) if hole.name in holes else hole.options[0]

        plain = fill(root, pick)
        weights.append(root.count({hole.name: value for hole, value in drawn.items()}) * prod(len(hole.options) for hole in drawn))
        hits.append(not broken(rules, plain))
        if hits[-1]:
            seen.update((hole.name, str(value)) for hole, value in drawn.items())
    total = sum(weights)
    share = Fraction(sum(w for w, hit in zip(weights, hits, strict=True) if hit), total)
    spread = sum((w / total * (hit - float(share))) ** 2 for w, hit in zip(weights, hits, strict=True))
    error = sqrt(spread) / float(share) if share else float("inf")
    return Joint(holes, share, False, error, sum(hits), frozenset(seen))
