"""From one architecture to another through its changes one after the other, each step keeping those before it.

The steps come in the order in which the architecture lists its places, in a given one, or in one that is searched: each step the
change that trains best on top of those before.
"""

from collections.abc import Sequence
from dataclasses import replace

from search.plans import BEST, PLANS, Arm, LeftOut, Plan, Planner, Request
from search.plans._differences import Judge, differences, short
from search.plans._filling import active, options, with_values
from search.plans._patterns import check, matches
from search.plans._two_ends import arm_of, checked_ends, matched
from search.plans._units import Unit, mended, units
from space import Arch


def ladder(request: Request) -> Plan:
    """Arms are the steps. Each is compared with the step before it; the last of them is `against` itself.

    An entry of `order` is a pattern (all changes that it matches are one step) or `pattern=value`, a step that sets a choice to a
    value which it need not have in the end, as published ladders do. Changes that no entry names follow in their own order.
    """
    start, end = checked_ends(request)
    plan = Plan(f"{start.name} to {end.name}, one change after the other", start, (), end)
    judge = Judge(request.space, start.arch, end.arch)
    if request.order == BEST:
        return _searched(request, plan, judge)
    if isinstance(request.order, str):
        raise ValueError(f"search.order: '{request.order}' given; allowed: a list of patterns, or {BEST}")
    return _given(request, plan, judge, request.order)


def _given(request: Request, plan: Plan, judge: Judge, order: Sequence[str]) -> Plan:
    start, end = checked_ends(request)
    every = [each.name for each in differences(start.arch, end.arch)]
    at, arms = start.arch, []
    for entry in order:
        pattern, _, value = entry.partition("=")
        if value:
            arm = _set(request, at, pattern, value)
        else:
            found = units(differences(at, end.arch), alike=True)
            chosen = matched(found, pattern)
            if not chosen:
                check([*every, *(name for unit in found for name in unit.names)], pattern, key="search.order")
                continue  # it moved already, with a step before
            arm = _step(request, at, end.arch, _joined(chosen), [unit for unit in found if unit not in chosen], judge)
        arms.append(arm)
        at = arm.arch
    while rest := units(differences(at, end.arch), alike=request.alike):
        arm = _next(request, at, end.arch, rest, judge)
        arms.append(arm)
        at = arm.arch
    return replace(plan, arms=tuple(arms))


def _next(request: Request, at: Arch, end: Arch, rest: Sequence[Unit], judge: Judge) -> Arm:
    """The first change that can be made by itself; else the first, with what must move along."""
    alone = next((unit for unit in rest if not judge.faults(at, unit.parts)), rest[0])
    return _step(request, at, end, alone, [unit for unit in rest if unit is not alone], judge)


def _joined(chosen: Sequence[Unit]) -> Unit:
    return Unit(tuple(part for unit in chosen for part in unit.parts))


def _step(request: Request, at: Arch, end: Arch, wanted: Unit, others: Sequence[Unit], judge: Judge) -> Arm:
    """One step; all that is left moves with it where nothing less will do, which the end itself shows to be possible."""
    joined, why = mended(at, wanted, others, judge)
    name = " + ".join(unit.name for unit in (*units(wanted.parts, alike=True), *joined))
    return arm_of(request.space, at, (wanted, *joined), compared=at.id, why=why, name=name)


def _set(request: Request, at: Arch, pattern: str, value: str) -> Arm:
    """A step to a value of its own, at every place that has it open."""
    space, (_, end) = request.space, checked_ends(request)
    here = active(space, at)
    check(list(here), pattern, key="search.order")
    names = [name for name in here if matches(name, pattern)]
    allowed = options(space)
    values = {name: next((each for each in allowed[name] if short(each) == value), None) for name in names}
    values = {name: each for name, each in values.items() if each is not None}
    if not values:
        known = list(dict.fromkeys(short(each) for name in names for each in allowed[name]))
        raise ValueError(f"search.order: '{pattern}={value}': no such value there; allowed: {', '.join(known)}")
    to = with_values(space, at, values, prefer=end.arch)
    found = units(differences(at, to), alike=True)
    if not found:
        raise ValueError(f"search.order: '{pattern}={value}' changes nothing where it stands; leave it out")
    faults = Judge(space, request.start.arch, end.arch).faults(at, _joined(found).parts)
    if faults:
        raise ValueError(f"search.order: '{pattern}={value}' cannot be made there: {sorted(faults)[0]}")
    return _step(request, at, to, _joined(found), (), Judge(space, to))


def _searched(request: Request, plan: Plan, judge: Judge) -> Plan:
    """As many steps as the trainings decide so far, and the candidates of the next."""
    _, end = checked_ends(request)
    at, arms, left_out = plan.reference.arch, [], []
    while rest := units(differences(at, end.arch), alike=request.alike):
        candidates = {}
        for unit in rest:
            arm = _step(request, at, end.arch, unit, [each for each in rest if each is not unit], judge)
            candidates.setdefault(arm.arch.id, arm)
        if len(candidates) > 1:
            if any(key not in request.scores for key in candidates):
                return replace(plan, arms=tuple(arms), candidates=tuple(candidates.values()), left_out=tuple(left_out))
            scored = {key: request.scores[key] for key in candidates if request.scores[key] is not None}
            if not scored:
                failed = LeftOut(f"step {len(arms) + 1} and those after it", "no training of any candidate succeeded")
                return replace(plan, arms=tuple(arms), left_out=(*left_out, failed))
            arm = candidates[min(scored, key=lambda key: scored[key])]
        else:
            arm = next(iter(candidates.values()))
        arms.append(arm)
        at = arm.arch
    return replace(plan, arms=tuple(arms), left_out=tuple(left_out))


PLANS.register("ladder")(Planner(ladder, two_ended=True, uses=("order",)))
