"""Several choices in all their combinations, or in a fraction of them that still tells what is asked for."""

from itertools import combinations, product
from math import prod
from typing import Any

from search.plans import PLANS, Arm, Factor, LeftOut, Plan, Planner, Request
from search.plans._differences import Judge, differences, short, texts
from search.plans._filling import active, options, with_values
from search.plans._fraction import aliases, fraction
from search.plans._patterns import matching

RESOLUTIONS = ("full", "3", "4", "5")
MOST = 1024  # cells of a factorial; more is a mistake, or a search
LETTERS = 26  # factors of a fraction; pyDOE3 names them by letters


def factorial(request: Request) -> Plan:
    """Arms are the cells. Other choices stay at the reference's values, and are as a one-step change has them where a level opens
    them."""
    space, start = request.space, request.start
    if request.resolution not in RESOLUTIONS:
        raise ValueError(f"search.resolution: {request.resolution} given; allowed: {', '.join(RESOLUTIONS)}")
    factors = _factors(request)
    rows, told = _rows(factors, request.resolution)
    judge, holes = Judge(space, start.arch), options(space)
    arms, left_out = [], []
    for row in rows[1:]:  # the first is the reference
        cell = {factor.name: factor.levels[level] for factor, level in zip(factors, row, strict=True)}
        moved = {factor.name: cell[factor.name] for factor, level in zip(factors, row, strict=True) if level}
        label = " + ".join(f"{name}: {short(value)}" for name, value in moved.items())
        try:
            arch = with_values(space, start.arch, moved)
            fault = next(iter(sorted(judge.faults(arch, ()))), "")
        except ValueError as error:  # the network's own types refuse it
            fault = str(error)
        if fault:
            left_out.append(LeftOut(label, fault))
            continue
        lines = texts(differences(start.arch, arch), holes)
        why = "the choices within a level move with it" if len(lines) > len(moved) else ""
        arms.append(Arm(label, arch, lines, start.arch.id, why, cell))
    share = "" if request.resolution == "full" else f", a fraction of resolution {request.resolution}"
    title = f"{start.name}: {' x '.join(f'{factor.name} ({len(factor.levels)})' for factor in factors)}{share}"
    at = {factor.name: factor.levels[0] for factor in factors}
    return Plan(title, start, tuple(arms), None, tuple(left_out), (), factors, told, at)


def _factors(request: Request) -> tuple[Factor, ...]:
    here, allowed = active(request.space, request.start.arch), options(request.space)
    several = [name for name in here if len(allowed[name]) > 1]
    if not request.choices:
        raise ValueError(f"search.choices: none given; a factorial is over a few, such as {', '.join(several[:3])}")
    names = matching(several, request.choices, key="search.choices")
    for outer, inner in combinations(names, 2):
        if inner.startswith(f"{outer}."):
            where = f"{inner} exists only where {outer} is {short(here[outer])}"
            raise ValueError(f"search.choices: {where}, so both cannot be factors; leave one out")
    return tuple(Factor(name, (here[name], *(each for each in allowed[name] if each != here[name]))) for name in names)


def _rows(factors: tuple[Factor, ...], resolution: str) -> tuple[list[tuple[Any, ...]], tuple[str, ...]]:
    """The level of every factor in every cell, by number, the reference's first; and the aliases."""
    if resolution != "full":
        for factor in factors:
            if len(factor.levels) > 2:
                given = f"search.resolution: {resolution} given, but {factor.name} has {len(factor.levels)} levels"
                two = ",".join(map(short, factor.levels[:2]))
                out = f"a fraction takes two: narrow it, space.arch.{factor.name}.choice=[{two}], or say search.resolution=full"
                raise ValueError(f"{given} ({', '.join(map(short, factor.levels))}); {out}")
        if len(factors) > LETTERS:
            raise ValueError(f"search.choices: {len(factors)} factors; allowed in a fraction: {LETTERS}")
        rows = fraction(len(factors), int(resolution))
        if len(rows) > MOST:
            raise ValueError(f"search.choices: {len(rows)} cells; allowed: {MOST}")
        return rows, aliases(rows, [factor.name for factor in factors])
    cells = prod(len(factor.levels) for factor in factors)
    if cells > MOST:
        given = f"search.choices: {len(factors)} factors have {cells:,} combinations"
        raise ValueError(f"{given}; allowed: {MOST}. Name fewer, or search the space instead")
    return list(product(*(range(len(factor.levels)) for factor in factors))), ()


PLANS.register("factorial")(Planner(factorial, two_ended=False, uses=("choices", "resolution")))
