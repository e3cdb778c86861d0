"""Which networks deserve more seeds: those of the front, and those just below it, whose order chance could turn round.

Only what training tells is uncertain here; cost and latency decide where they can. Two networks are too close to call where one is
no worse than the other in all that is known before training, so that it would dominate it if it were no less accurate, and their
accuracies lie within twice the spread of one network's trainings under different seeds. While that spread is not known, every
member of the front is in doubt, and for each of them the network nearest to it of those that it dominates.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import variance

from search.objectives import Objective, point
from search.pareto import Point, dominates, ranks
from search.records import Proposal, Records

ENOUGH = 3
"""Trainings beyond the first of their network, over all networks, from which the spread counts as known."""
CLOSE = 2.0
"""Spreads within which two accuracies could be either way round."""


def confirmations(records: Records, goals: tuple[Objective, ...], *, last: int, seed: int, trainings: int) -> list[Proposal]:
    """The trainings still due until each network in doubt has so many; those of the least trained networks first.

    The front is that of the search's own seed: more seeds move means, and a front of means would put ever new networks in doubt.
    """
    members = {r.proposal.arch.id: r for r in records.index.ok if r.proposal.rung == last and r.proposal.seed == seed}
    at = {key: found for key, record in members.items() if (found := point(record.measurements, goals)) is not None}
    learnt = [n for n, goal in enumerate(goals) if goal.name not in free_names(records)]
    if not at or not learnt:
        return []
    spread = spreads(trained(records, goals, last), learnt)
    keys = list(at)
    chosen = doubtful([at[key] for key in keys], learnt, spread)
    due = []
    for place, n in enumerate(chosen):
        arch = members[keys[n]].proposal.arch
        had = {r.proposal.seed for r in records if r.proposal.arch.id == arch.id and r.proposal.rung == last and not r.untrained}
        unused = (s for s in range(seed + 1, seed + 1 + trainings + len(had)) if (arch.id, s) not in records.keys)
        due += [(count, place, Proposal(arch, s, last)) for count, s in zip(range(len(had), trainings), unused, strict=False)]
    return [proposal for _, _, proposal in sorted(due, key=lambda entry: entry[:2])]


def free_names(records: Records) -> set[str]:
    """The measurements that cost no training."""
    return {name for record in records for result in record.results if result.rung == 0 for name in result.measurements}


def trained(records: Records, goals: tuple[Objective, ...], last: int) -> Mapping[str, list[Point]]:
    """The points of each network at the last rung, one for each seed, by arch id."""
    found: dict[str, list[Point]] = {}
    for record in records.index.ok:
        if record.proposal.rung == last and (at := point(record.measurements, goals)) is not None:
            found.setdefault(record.proposal.arch.id, []).append(at)
    return found


def spreads(points: Mapping[str, list[Point]], learnt: Sequence[int]) -> dict[int, float] | None:
    """The standard deviation over seeds of each objective that is learnt, pooled over the networks; None where too few tell."""
    several = [group for group in points.values() if len(group) > 1]
    freedom = sum(len(group) - 1 for group in several)
    if freedom < ENOUGH:
        return None
    return {n: (sum(variance(p[n] for p in g) * (len(g) - 1) for g in several) / freedom) ** 0.5 for n in learnt}


def doubtful(points: Sequence[Point], learnt: Sequence[int], spread: Mapping[int, float] | None) -> list[int]:
    """The places of the points in doubt: those of the front first, in its order."""
    levels = ranks(points)
    front = sorted((n for n, level in enumerate(levels) if level == 0), key=lambda n: points[n])
    below = [n for n, level in enumerate(levels) if level == 1]
    if spread is None:
        chosen = {*front, *nearest_below(points, front, learnt)}
    else:
        pairs = ((a, b) for a in front for b in (*front, *below) if a != b)
        chosen = {n for a, b in pairs if too_close(points[a], points[b], learnt, spread) for n in (a, b)}
    return [n for n in front if n in chosen] + sorted((n for n in chosen if levels[n]), key=lambda n: points[n])


def too_close(one: Point, other: Point, learnt: Sequence[int], spread: Mapping[int, float]) -> bool:
    known = [(a, b) for n, (a, b) in enumerate(zip(one, other, strict=True)) if n not in spread]
    one_way = all(a <= b for a, b in known) or all(a >= b for a, b in known)
    return one_way and all(abs(one[n] - other[n]) <= CLOSE * spread[n] for n in learnt)


def nearest_below(points: Sequence[Point], front: Sequence[int], learnt: Sequence[int]) -> Iterator[int]:
    """For each member of the front the point that it dominates by the least, in shares of each learnt objective's range."""
    ranges = {n: max(p[n] for p in points) - min(p[n] for p in points) or 1.0 for n in learnt}
    for member in front:
        beaten = [n for n, at in enumerate(points) if dominates(points[member], at)]
        if beaten:
            yield min(beaten, key=lambda n: (sum((points[n][g] - points[member][g]) / ranges[g] for g in learnt), n))
