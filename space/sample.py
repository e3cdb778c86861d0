"""Random members and one-step changes: both fill the template and keep what the rules allow."""

import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from space.rules import Rule, RuleError, broken
from space.template import Group, Hole, Plain, fill

PATIENCE = (100, 200, 400, 800, 1600, 3200, 6400, 12800)  # redraws of the holes that broken rules name, before all is drawn afresh


def sample(root: Group, rules: Sequence[Rule], rng: random.Random) -> Plain:
    """Draw hole by hole, options equally likely, structure first; a broken rule redraws only the holes it names.

    RuleError names the rule that still breaks after the last draw.
    """
    failed: list[Rule] = []
    for patience in PATIENCE:
        drawn: dict[str, Any] = {}

        def pick(hole: Hole, drawn: dict[str, Any] = drawn) -> Any:
            if hole.name not in drawn:
                drawn[hole.name] = rng.choice(hole.options)
            return drawn[hole.name]

        for _ in range(patience):
            plain = fill(root, pick)
            failed = broken(rules, plain)
            if not failed:
                return plain
            for name in {name for rule in failed for name in rule.named or rule.joint}:
                drawn.pop(name, None)
    raise RuleError(failed[0].text, f"rule '{failed[0].text}' broke in each of {sum(PATIENCE):,} random fillings; loosen it")


def steps(holes: Iterable[Hole], active: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Each active hole set to each of its other options, in order: (name, its value, the other). Rules are not looked at."""
    for hole in holes:
        if hole.name in active:
            value = active[hole.name]
            yield from ((hole.name, value, option) for option in hole.options if option != value)


def changed(root: Group, values: dict[str, Any], baseline: Mapping[str, Any]) -> Plain:
    """The filling with these values, to which those of the holes that they open are added: the previous block's value, else the
    baseline's, else the first option."""

    def pick(hole: Hole) -> Any:
        if hole.name not in values:
            candidates = [values[name] for name in previous(hole.name) if name in values] + [baseline.get(hole.name)]
            values[hole.name] = next((value for value in candidates if value in hole.options), hole.options[0])
        return values[hole.name]

    return fill(root, pick)


def previous(name: str) -> Iterator[str]:
    """The same hole one block earlier, the innermost numbered block first: `encoder.layer3.window` -> `encoder.layer2.window`."""
    segments = name.split(".")
    for n in reversed(range(len(segments))):
        match = re.fullmatch(r"(.*?)([1-9][0-9]*)", segments[n])
        if match and match[1] and match[2] != "1":
            yield ".".join([*segments[:n], f"{match[1]}{int(match[2]) - 1}", *segments[n + 1 :]])
