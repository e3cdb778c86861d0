"""What a log says of each trial, kept up from ask to ask as arrays that a model can use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from search.asks import Record, Records
from search.objectives import Objective
from search.surrogate.features import Encoding

SIZES = ("params_m", "macs_g")
"""Measured before training and telling of accuracy, objective or not."""


@dataclass(eq=False)
class Known:
    """A trial as far as it has ended: `measured` before training, the `readings` of each rung by objective, and the rung it
    `reached`. `row` is its place among the encoded members."""

    first: Record
    row: int
    measured: Mapping[str, float] = field(default_factory=dict)
    readings: dict[int, Mapping[str, float]] = field(default_factory=dict)
    reached: int = 0
    open: bool = True  # may be continued: neither refused nor failed


class Facts:
    """The trials of one log for one set of objectives. Only what has ended is in it."""

    def __init__(self, encoding: Encoding, goals: tuple[Objective, ...]):
        self.encoding, self.goals = encoding, goals
        self.trials: dict[int, Known] = {}  # in the order in which they were first heard of
        self.ended: list[tuple[Known, int]] = []  # (trial, rung) of each reading, in the order in which they came
        self._members = np.empty((64, len(encoding.ordered)), np.int16)
        self._seen: list[Record] = []

    def follow(self, ended: Sequence[Record]) -> bool:
        """Take in what ended since; False where this is another log."""
        if len(ended) < len(self._seen) or (self._seen and ended[len(self._seen) - 1] is not self._seen[-1]):
            return False
        for record in ended[len(self._seen) :]:
            self._take(record)
            self._seen.append(record)
        return True

    def members(self, rows: Sequence[int] | slice) -> np.ndarray:
        return self._members[rows]

    def _take(self, record: Record) -> None:
        if record.proposal.arch not in self.encoding.space:
            return  # a baseline that a narrowing has put outside: compared with, not learnt from
        known = self.trials.get(record.trial) or self._heard_of(record)
        known.open = record.ok
        for result in record.results:
            values = {name: float(v) for name, v in result.measurements.items() if isinstance(v, int | float) and v == v}
            if result.rung == 0:
                known.measured = values
            elif any(goal.name in values for goal in self.goals):
                known.readings[result.rung] = values
                self.ended.append((known, result.rung))
        if record.ok:
            known.reached = max(known.reached, record.proposal.rung)

    def _heard_of(self, record: Record) -> Known:
        row = len(self.trials)
        if row == len(self._members):
            self._members = np.concatenate([self._members, np.empty_like(self._members)])
        self._members[row] = self.encoding([record.proposal.arch])[0]
        known = self.trials[record.trial] = Known(record, row)
        return known


_kept: list[Facts] = []


def facts_of(records: Records, encoding: Encoding, goals: tuple[Objective, ...]) -> Facts:
    """The facts of these records: those that have followed their log so far, else new ones."""
    for place, known in enumerate(_kept):
        same = known.encoding is encoding and known.goals == goals
        if same and known.follow(records.ended):
            _kept.insert(0, _kept.pop(place))
            return known
    made = Facts(encoding, goals)
    made.follow(records.ended)
    _kept.insert(0, made)
    del _kept[4:]
    return made
