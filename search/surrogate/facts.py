"""What a log says of each trial, kept up from ask to ask as arrays that a model can use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import is_not
from typing import Any

import numpy as np

from evaluators.api import TRAIN_LOSS
from search.asks import Record, Records
from search.objectives import Objective, point
from search.pareto import ranks
from search.surrogate.features import Encoding

SIZES = ("params_m", "macs_g")
"""Measured before training and telling of accuracy, objective or not."""

TIMED = 100
"""So many trials tell how long trainings and measuring take."""

ORDERED = 100
"""Trials are put in order of their fronts again after so many more."""


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


class Readings:
    """What trainings read of one objective, in the order in which they came: (trial, rung, value, loss). Values are the more the
    better; the loss is nan where none was told."""

    def __init__(self) -> None:
        self.trials: list[Known] = []
        self._rungs, self._rows = np.empty(64, np.int64), np.empty(64, np.int64)
        self._values, self._losses = np.empty(64), np.empty(64)

    def __len__(self) -> int:
        return len(self.trials)

    @property
    def rungs(self) -> np.ndarray:
        return self._rungs[: len(self)]

    @property
    def values(self) -> np.ndarray:
        return self._values[: len(self)]

    @property
    def losses(self) -> np.ndarray:
        return self._losses[: len(self)]

    @property
    def rows(self) -> np.ndarray:
        return self._rows[: len(self)]

    def at(self, rung: int) -> tuple[np.ndarray, np.ndarray]:
        """The rows of the trials that read it, and the values."""
        places = np.flatnonzero(self.rungs == rung)
        return self._rows[places], self._values[places]

    def add(self, known: Known, rung: int, value: float, loss: float) -> None:
        kept = self._rungs, self._rows, self._values, self._losses
        if len(self) == len(self._values):
            kept = self._rungs, self._rows, self._values, self._losses = [np.concatenate([part, part]) for part in kept]
        for part, given in zip(kept, (rung, known.row, value, loss), strict=True):
            part[len(self)] = given
        self.trials.append(known)


class Facts:
    """The trials of one log for one set of objectives. Only what has ended is in it."""

    def __init__(self, encoding: Encoding, goals: tuple[Objective, ...]):
        self.encoding, self.goals = encoding, goals
        self.trials: dict[int, Known] = {}  # in the order in which they were first heard of
        self.looked: dict[int, Known] = {}  # of these, those that have not trained yet
        self.ended = 0  # rungs read, by any objective
        self.whole: dict[int, list[Known]] = {}  # rung -> trials that have read it
        self.readings = {goal.name: Readings() for goal in goals}
        self.told: frozenset[str] | None = None  # what every trial that has trained was measured to have before
        self.fits: dict[tuple[Any, ...], np.ndarray] = {}  # what models were fitted to these facts
        self.thought: tuple[Any, Any] = (None, None)  # what was made of them last, and of what exactly
        self._ordered: dict[int, tuple[int, list[Known]]] = {}  # rung -> how many have read it, and these by its fronts
        self._columns: dict[str, np.ndarray] = {}  # measurement -> its values by row, nan where it was not measured
        self._alike: dict[str, int] = {}  # architecture -> the row of its first trial
        self._first, self._numbers = np.empty(64, np.int64), np.empty(64, np.int64)
        self._members = np.empty((64, len(encoding.ordered)), np.int16)
        self._seen: list[Record] = []

    def follow(self, ended: Sequence[Record]) -> bool:
        """Take in what ended since; False where this is another log, or one whose trials were measured again."""
        if len(ended) < len(self._seen) or any(map(is_not, ended, self._seen)):
            return False
        for record in ended[len(self._seen) :]:
            self._take(record)
            self._seen.append(record)
        return True

    def foremost(
        self, rung: int, most: int, wanted: Callable[[Known], bool] = lambda known: True, *, first: int | None = None
    ) -> list[Known]:
        """Of the trials that have read a rung (and are `wanted`) so many as matter most: a third are the newest, the others lie on
        the foremost fronts of the rung. `first`: as it was when so many had read it."""
        read = self.whole.get(rung, [])
        if first is not None and first < len(read):
            read = read[:first]
        if len(read) <= most:
            return [known for known in read if wanted(known)]
        newest = list(islice(filter(wanted, reversed(read)), most // 3))
        fresh = {known.row for known in newest}
        others = (known for known in self._in_order(rung, read) if known.row not in fresh and wanted(known))
        return sorted([*newest, *islice(others, most - len(newest))], key=lambda known: known.row)

    def _in_order(self, rung: int, read: list[Known]) -> list[Known]:
        """The trials that have `read` a rung by its fronts, put in order again whenever ORDERED more have; the newest may be
        missing."""
        stage = len(read) // ORDERED * ORDERED
        if self._ordered.get(rung, (0, []))[0] != stage:
            self._ordered[rung] = stage, foremost(read[:stage], rung, self.goals)
        return self._ordered[rung][1] if stage else read

    def members(self, rows: Sequence[int] | slice) -> np.ndarray:
        return self._members[rows]

    def measured(self, name: str) -> np.ndarray:
        """(trials,): what was measured of each before training; nan where it was not."""
        if name not in self._columns:
            column = np.full(len(self._members), np.nan)
            for known in self.trials.values():
                column[known.row] = known.measured.get(name, np.nan)
            self._columns[name] = column
        return self._columns[name][: len(self.trials)]

    def first(self, rows: np.ndarray) -> np.ndarray:
        """For each row that of the first trial of the same architecture."""
        return self._first[rows]

    @property
    def numbers(self) -> np.ndarray:
        """(trials,): the number of each."""
        return self._numbers[: len(self.trials)]

    def look(self, before: int) -> float:
        """Seconds that measuring a member takes, over those of its training to the first rung: medians of trials before that
        number; 0 where the log does not tell."""
        took = self.measured("measure_s")[self.numbers < before][-TIMED:]
        trained = [known.readings[1].get("train_s", np.nan) for known in self.whole.get(1, [])[-TIMED:]]
        both = [np.array(part)[~np.isnan(part)] for part in (took, trained)]
        return float(np.median(both[0]) / max(np.median(both[1]), 1e-9)) if all(map(len, both)) else 0.0

    def _take(self, record: Record) -> None:
        if record.proposal.arch not in self.encoding.space:
            return  # a baseline that a narrowing has put outside: compared with, not learnt from
        known = self.trials.get(record.trial) or self._heard_of(record)
        known.open = record.ok
        for result in record.results:
            values = {name: float(v) for name, v in result.measurements.items() if isinstance(v, int | float) and v == v}
            if result.rung == 0:
                known.measured = values
                for name, column in self._columns.items():
                    column[known.row] = values.get(name, np.nan)
            elif any(goal.name in values for goal in self.goals):
                self._read(known, result.rung, values)
        if record.ok and record.proposal.rung > known.reached:
            if known.reached == 0:
                self.told = frozenset(known.measured) & (frozenset(known.measured) if self.told is None else self.told)
            known.reached = record.proposal.rung
            self.looked.pop(record.trial, None)

    def _read(self, known: Known, rung: int, values: Mapping[str, float]) -> None:
        if rung in known.readings:
            return
        known.readings[rung] = values
        self.ended += 1
        self.whole.setdefault(rung, []).append(known)
        for goal in self.goals:
            if goal.name in values:
                loss = np.nan if goal.name == TRAIN_LOSS else values.get(TRAIN_LOSS, np.nan)
                self.readings[goal.name].add(known, rung, -goal.sign * values[goal.name], loss)

    def _heard_of(self, record: Record) -> Known:
        row = len(self.trials)
        if row == len(self._members):
            self._members = np.concatenate([self._members, np.empty_like(self._members)])
            self._first, self._numbers = (np.concatenate([part, part]) for part in (self._first, self._numbers))
            self._columns = {name: np.concatenate([c, np.full(len(c), np.nan)]) for name, c in self._columns.items()}
        self._first[row] = self._alike.setdefault(record.proposal.arch.id, row)
        self._members[row] = self.encoding([record.proposal.arch])[0]
        self._numbers[row] = record.trial
        known = self.trials[record.trial] = self.looked[record.trial] = Known(record, row)
        return known


def foremost(read: Sequence[Known], rung: int, goals: tuple[Objective, ...], most: int | None = None) -> list[Known]:
    """Trials that have read a rung by its fronts, of a front the newest first; those that lack an objective are left out."""
    points = [point({**known.measured, **known.readings[rung]}, goals) for known in read]
    valued = [place for place, at in enumerate(points) if at is not None]
    levels = ranks([points[place] for place in valued])
    return [read[valued[n]] for n in sorted(range(len(valued)), key=lambda n: (levels[n], -n))[:most]]


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
