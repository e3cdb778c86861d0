"""What the plans between two architectures share: the changes on the way, each made of one end, and a word on what moves along."""

from search.plans import Arm, LeftOut, Named, Plan, Request
from search.plans._differences import Judge, applied, differences, texts
from search.plans._patterns import matches, matching
from search.plans._units import Unit, explained, mended, parts_of, units
from space import Arch, Space


def checked_ends(request: Request) -> tuple[Named, Named]:
    assert request.against is not None, "checked where the plan was asked for"
    return request.start, request.against


def each_alone(request: Request, start: Named, end: Named, title: str) -> Plan:
    """An arm for every change from `start` towards `end`, made of `start` alone."""
    judge = Judge(request.space, start.arch, end.arch)
    found = units(differences(start.arch, end.arch), alike=request.alike)
    names = [name for unit in found for name in unit.names]
    wanted = set(matching(names, request.choices, key="search.choices"))
    arms, left_out = [], []
    for unit in found:
        if wanted.isdisjoint(unit.names):
            continue
        others = [each for each in found if each is not unit]
        try:
            joined, why = mended(start.arch, unit, others, judge)
        except ValueError as error:
            left_out.append(LeftOut(unit.name, str(error)))
            continue
        arms.append(arm_of(request.space, start.arch, (unit, *joined), compared=start.arch.id, why=why))
    return Plan(title, start, tuple(arms), end, tuple(left_out))


def arm_of(space: Space, start: Arch, group: tuple[Unit, ...], *, compared: str, why: str = "", name: str = "") -> Arm:
    """`start` with a group of changes, the first of which gives it its name."""
    parts = parts_of(group)
    holes = [hole.name for hole in space.holes()]
    lines = texts(parts, holes)
    opens = len(texts(group[0].parts, holes)) > len(group[0].parts)
    told = explained(group[0], group[1:], why, opens=opens)
    return Arm(name or " + ".join(unit.name for unit in group), applied(start, parts), lines, compared, told)


def matched(found: list[Unit], pattern: str) -> list[Unit]:
    return [unit for unit in found if any(matches(name, pattern) for name in unit.names)]
