"""Which trials are to be measured again. What a run decides by must have been measured, and on a machine that was itself.

A latency is the candidate's share of the baseline's, read in turns, and the machine's drift cancels in it; but a load so even that
it does not show in the spread of the readings may weigh on the two networks unequally. It does show in how long the baseline took.
"""

from collections.abc import Iterator

from evaluators.api import Measurements
from search.asks import Record, Records
from search.objectives import Objective
from search.steady import BASELINE, paired, usual

AGAIN = "latency_again"
"""1: the latency in the record is that of a second measurement."""

PREDICTED = "latency_predicted"
AWAY = "latency_away"

SLOWED = 1.3
"""So many times what the baseline takes as a rule: the machine was slower, and the measurement is doubtful."""

ENOUGH = 5
"""Measurements that tell what the baseline takes as a rule."""


def doubtful(records: Records) -> list[Record]:
    """The trials that ended well and were measured, once so far, while the machine was slow."""
    measured = [record for record in firsts(records) if not record.measurements.get(PREDICTED)]
    if len(measured) < ENOUGH:
        return []
    rule = {}
    for device in {place(record.measurements) for record in measured}:
        rule[device] = usual(record.measurements for record in measured if place(record.measurements) == device)
    slow = (record for record in measured if slowdown(record.measurements, rule[place(record.measurements)]) > SLOWED)
    return [record for record in slow if record.ok and AGAIN not in record.measurements]


def quiet(records: Records) -> bool:
    """Whether the last measurement found the machine as it is as a rule."""
    measured = [record for record in firsts(records) if not record.measurements.get(PREDICTED)]
    return bool(measured) and measured[-1] not in doubtful(records)


def predicted_front(records: Records, goals: tuple[Objective, ...], last: int) -> list[Record]:
    """The members of the front whose latency was predicted and can be measured here."""
    front = records.front(goals, last)
    return [record for record in front if record.measurements.get(PREDICTED) and not record.measurements.get(AWAY)]


def due(records: Records, goals: tuple[Objective, ...], last: int, *, over: bool) -> list[Record]:
    """What to measure again now. While the run goes on: the doubtful, once the machine is quiet, as what is asked next depends on
    them. When all else is `over`: the doubtful in any case, then what the front owes to predictions."""
    if not any(goal.name.startswith("latency") for goal in goals):
        return []
    if not over:
        return doubtful(records) if quiet(records) else []
    return doubtful(records) or predicted_front(records, goals, last)


def firsts(records: Records) -> Iterator[Record]:
    """The ask of each trial that measured it, in order."""
    return (record for record in records if record.has(0) and record.outcome is not None)


def slowdown(measurements: Measurements, rule: Measurements) -> float:
    """The baseline's time as a multiple of what is the rule, the worst of all backends."""
    return max((measurements[BASELINE + name] / rule[name] for name in paired(measurements)), default=1.0)


def place(measurements: Measurements) -> str:
    """Where it was measured: the workers of a cluster need not be alike."""
    return str(measurements.get("latency_device", ""))
