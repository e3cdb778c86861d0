"""Which trials are to be measured again. What a run decides by must have been measured, and on a machine that was itself.

A latency is the candidate's share of the baseline's, read in turns, and the machine's drift cancels in it; but a load so even that
it does not show in the spread of the readings may weigh on the two networks unequally. It does show in how long the baseline took.
"""

from statistics import median

from evaluators.api import Measurements
from search.asks import Record, Records
from search.objectives import Objective
from search.steady import BASELINE, MS, paired

AGAIN = "latency_again"
"""1: the latency in the record is that of a second measurement."""

PREDICTED, AWAY = "_predicted", "_away"
"""Marks of a latency, behind its backend's name: nothing was measured; nothing can be measured here."""

SLOWED = 1.3
"""So many times what the baseline takes as a rule: the machine was slower, and the measurement is doubtful."""

ENOUGH = 5
"""Measurements that tell what the baseline takes as a rule."""


def due(records: Records, goals: tuple[Objective, ...], last: int, *, over: bool) -> list[Record]:
    """What to measure again now. While the run goes on: the doubtful, once the machine is quiet, as what is asked next depends on
    them. When all else is `over`: the doubtful in any case, then what the front owes to predictions."""
    if not any(goal.name.startswith("latency") for goal in goals):
        return []
    found = slowdowns(records)
    if not over:
        busy = {record.trial for record in records.running}
        return [record for record in doubtful(found) if record.trial not in busy] if quiet(found) else []
    return doubtful(found) or predicted_front(records, goals, last)


def slowdowns(records: Records) -> list[tuple[Record, float]]:
    """The ask of each trial that measured it, in order, and how many times what is the rule its baseline took, the worst of all
    backends. None while too few were measured to tell."""
    taken = [(record, beside(record.measurements)) for record in records if record.has(0) and record.outcome is not None]
    taken = [(record, times) for record, times in taken if times]
    if len(taken) < ENOUGH:
        return []
    by_place: dict[tuple[str, str], list[float]] = {}
    for record, times in taken:
        for name, time in times.items():
            by_place.setdefault((place(record), name), []).append(time)
    rule = {key: median(times) for key, times in by_place.items()}
    return [(record, max(time / rule[place(record), name] for name, time in times.items())) for record, times in taken]


def doubtful(found: list[tuple[Record, float]]) -> list[Record]:
    """The trials that ended well and were measured, once so far, while the machine was slow."""
    return [record for record, slow in found if slow > SLOWED and record.ok and AGAIN not in record.measurements]


def quiet(found: list[tuple[Record, float]]) -> bool:
    """Whether the last measurement found the machine as it is as a rule."""
    return bool(found) and found[-1][1] <= SLOWED


def predicted_front(records: Records, goals: tuple[Objective, ...], last: int) -> list[Record]:
    """The members of the front with a latency that was predicted and can be measured here."""
    could_be_measured = True, False  # predicted, and not another machine's
    return [record for record in records.front(goals, last) if could_be_measured in marks(record.measurements).values()]


def beside(measurements: Measurements) -> dict[str, float]:
    """What the baseline took beside each latency that was measured."""
    return {name: float(measurements[BASELINE + name]) for name, marked in marks(measurements).items() if not any(marked)}


def marks(measurements: Measurements) -> dict[str, tuple[bool, bool]]:
    """Of each latency: whether it was predicted, whether it is another machine's."""
    stems = {name: name.removesuffix(MS) for name in paired(measurements)}
    return {name: (bool(measurements.get(stem + PREDICTED)), bool(measurements.get(stem + AWAY))) for name, stem in stems.items()}


def place(record: Record) -> str:
    """Where it was measured: the workers of a cluster need not be alike."""
    return str(record.measurements.get("latency_device", ""))
