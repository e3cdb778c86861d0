"""Around a reference: every other value of every choice, or of the choices that are named."""

from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

from search.plans import PLANS, Arm, LeftOut, Plan, Planner, Request
from search.plans._differences import ABSENT, Judge, differences, short, texts
from search.plans._filling import active, options, with_values
from search.plans._patterns import matching
from space import Arch, Space

MENDING = 2  # so many other choices may move along where a rule asks for it


def one_at_a_time(request: Request) -> Plan:
    """Arms are one-step changes. One that breaks a rule takes along the fewest other choices that mend it, by the least steps."""
    space, start = request.space, request.start
    judge = Judge(space, start.arch)
    here, allowed = active(space, start.arch), options(space)
    wanted = matching(list(here), request.choices, key="search.choices")
    arms, left_out = [], []
    for name, option in [(each, option) for each in wanted for option in allowed[each] if option != here[each]]:
        label = f"{name}: {short(here[name])} -> {short(option)}"
        values, why = _mended(space, start.arch, {name: option}, judge)
        if values is None:
            left_out.append(LeftOut(label, why))
            continue
        arch = with_values(space, start.arch, values)
        moved = [each for each in values if each != name]
        label = " + ".join([label, *(f"{each}: {short(here.get(each, ABSENT))} -> {short(values[each])}" for each in moved)])
        lines = texts(differences(start.arch, arch), allowed)
        opened = f"the choices within move with {name}" if len(lines) > len(values) else ""
        along = f"moves with {', '.join(moved)}: alone {why}" if moved else ""
        arms.append(Arm(label, arch, lines, start.arch.id, "; ".join(filter(None, (opened, along)))))
    return Plan(f"{start.name} with one choice changed at a time", start, tuple(arms), None, tuple(left_out))


def _mended(space: Space, arch: Arch, values: Mapping[str, Any], judge: Judge) -> tuple[dict[str, Any] | None, str]:
    """The values that must be set for these to be possible, and what breaks without the others; None where nothing helps."""
    why = _fault(space, arch, values, judge)
    if not why:
        return dict(values), ""
    for more in _others(space, arch, values):
        if not _fault(space, arch, {**values, **more}, judge):
            return {**values, **more}, why
    return None, why


def _fault(space: Space, arch: Arch, values: Mapping[str, Any], judge: Judge) -> str:
    try:
        changed = with_values(space, arch, values)
    except ValueError as error:  # the network's own types refuse it
        return str(error)
    return next(iter(sorted(judge.faults(changed, ()))), "")


def _others(space: Space, arch: Arch, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Values of other choices that stand in a rule with these, the fewest first, and the nearest to what they are."""
    here, allowed = active(space, arch), options(space)
    rules = [rule.named | rule.joint for rule in space.rules if not (rule.named | rule.joint).isdisjoint(values)]
    names = [name for name in here if name not in values and any(name in rule for rule in rules)]

    def steps(name: str) -> list[tuple[int, str, Any]]:
        at = allowed[name].index(here[name])
        return [(abs(n - at), name, option) for n, option in enumerate(allowed[name]) if n != at]

    for count in range(1, MENDING + 1):
        moves = (chosen for group in combinations(names, count) for chosen in product(*map(steps, group)))
        for chosen in sorted(moves, key=lambda chosen: sum(far for far, _, _ in chosen)):
            yield {name: option for _, name, option in chosen}


PLANS.register("one_at_a_time")(Planner(one_at_a_time, two_ended=False, uses=("choices",)))
