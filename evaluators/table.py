"""Recorded trainings in place of real ones: a table becomes a space and an evaluator, and any search runs on it in seconds."""

import hashlib
import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from evaluators.api import TRAIN_LOSS, Job, Measurements, Outcome, RungResult
from evaluators.limits import excess
from evaluators.tables.mapping import TableConf
from evaluators.tables.recorded_space import RecordedSpace, recorded_space, space_conf
from evaluators.tables.rows import Key, Row, Rows, read_rows
from registry import nearest


@dataclass(frozen=True)
class Table:
    """A table in memory: its mapping, its rows, and the space of its choices."""

    name: str
    conf: TableConf
    rows: Rows
    space: RecordedSpace

    def row(self, arch: Mapping[str, Any]) -> Row:
        return self.rows.by_key[tuple(arch[name] for name in self.rows.choices)]

    @cached_property
    def numbers(self) -> str:
        """Eight hex digits of all that is recorded: a file of the same name may hold others tomorrow."""
        said = repr(self.rows.by_key).replace(", loss=None)", ")")  # as before there were losses: older runs go on
        return hashlib.sha1(said.encode()).hexdigest()[:8]

    def scores(self, rung: int) -> dict[Key, float]:
        """The mean over the recorded seeds at a rung, where there are any: what a search is judged by."""
        found = {key: [training.score for training in row.rungs[rung - 1]] for key, row in self.rows.by_key.items()}
        return {key: sum(scores) / len(scores) for key, scores in found.items() if scores}


_read: dict[tuple[str, str, Any], Table] = {}


def load_table(name: str, conf: TableConf) -> Table:
    """Read a table, once in a process for as long as its file stays as it is. ValueError says what is wrong with it."""
    file = Path(conf.file).expanduser().resolve()
    conf = replace(conf, file=str(file))
    key = (name, json.dumps(asdict(conf)), (file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None)
    if key not in _read:
        rows = read_rows(conf)
        baseline, same = _baseline(conf, rows), _twins(conf, rows)
        space = recorded_space(name, space_conf(name, rows.choices), conf.file, list(rows.by_key), baseline, same)
        _read[key] = Table(name, conf, rows, space)
    return _read[key]


def _twins(conf: TableConf, rows: Rows) -> dict[Key, Key]:
    """Rows that are the same network as another one, by `table.graph`."""
    try:
        conf.graph.check(dict(zip(rows.columns.values(), rows.choices.values(), strict=True)))
    except ValueError as error:
        raise ValueError(f"{error} ({conf.file})") from None
    return conf.graph.twins(rows.columns.values(), rows.by_key)


def _baseline(conf: TableConf, rows: Rows) -> Key:
    """The first row with the values of `table.baseline`."""
    places = {column: place for place, column in enumerate(rows.columns.values())}
    wanted: dict[int, Any] = {}
    for column, value in conf.baseline.items():
        if column not in places:
            raise ValueError(f"table.baseline: no choice column '{column}'; {nearest(column, list(places))} ({conf.file})")
        allowed = list(rows.choices.values())[places[column]]
        if value not in allowed:
            told = nearest(str(value), [str(option) for option in allowed])
            raise ValueError(f"table.baseline.{column}: given {value!r}; {told} ({conf.file})")
        wanted[places[column]] = value
    found = next((key for key in rows.by_key if all(key[place] == value for place, value in wanted.items())), None)
    if found is None:
        raise ValueError(f"table.baseline: no row has {dict(conf.baseline)} together ({conf.file})")
    return found


@dataclass(frozen=True)
class RecordedTrainings:
    """An `Evaluate` that reads a table: rung 0 is every column that costs no training, rung k the recorded training to there.

    Picklable: a worker reads the file itself, so it must be found there under the same path. Where the rungs are separate
    trainings, a job yields the last of them alone; else all on the way, `train_s` being what each adds.
    """

    name: str
    conf: TableConf
    limits: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        try:
            yield from self._replayed(job)
        except Exception:
            yield Outcome("bug", traceback.format_exc())

    @property
    def table(self) -> Table:
        return load_table(self.name, self.conf)

    def _replayed(self, job: Job) -> Iterator[RungResult | Outcome]:
        table = self.table
        row = table.row(job.arch.arch)
        yield RungResult(0, row.measurements)
        if (over := excess(row.measurements, self.limits)) and job.arch != table.space.baseline:
            yield Outcome("infeasible", over)  # no limit holds for the baseline: all others are compared with it
            return
        for rung in range(job.rung if self.conf.separate else 1, job.rung + 1) if job.rung else ():
            measurements = self._trained(row, job.seed, rung)
            if measurements is None:
                epochs = self.conf.epochs[rung - 1]
                yield Outcome("failed", f"not recorded: row {row.number} has no score after {epochs} epochs ({self.conf.file})")
                return
            yield RungResult(rung, measurements)
        yield Outcome("ok")

    def _trained(self, row: Row, seed: int, rung: int) -> Measurements | None:
        training = row.training(rung, seed)
        if training is None:
            return None
        before = row.training(rung - 1, seed) if rung > 1 and not self.conf.separate else None
        spent = before.seconds if before is not None and before.seconds is not None else 0.0
        seconds = {} if training.seconds is None else {"train_s": max(0.0, training.seconds - spent)}
        loss = {} if training.loss is None else {TRAIN_LOSS: training.loss}
        return {self.conf.metric_name: training.score, **loss, **seconds}

    def check(self) -> str:
        """What is replayed, in words."""
        table = self.table
        grid = table.space.template.free
        part = "all combinations of its choices" if len(table.rows.by_key) == grid else f"of {grid:,} combinations of its choices"
        return f"replaying {len(table.rows.by_key):,} recorded architectures, {part}, from {table.conf.file}"

    @property
    def numbers(self) -> str:
        """What config.yaml keeps of them, so that a run does not go on with others."""
        return self.table.numbers

    def defaults(self) -> dict[str, dict[str, Any]]:
        """What an older version's config.yaml does not say of these groups: that its table was the one there is now."""
        return {"table": {"numbers": self.numbers, "graph": asdict(self.conf.graph)}}
