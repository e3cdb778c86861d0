"""The rows of a table of recorded trainings, by the choices they are about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evaluators.tables.cells import numbers, options, read_cells
from evaluators.tables.mapping import TableConf
from space.schema import RESERVED

Key = tuple[Any, ...]
"""The values of all choices, in the order of the columns."""


@dataclass(frozen=True)
class Training:
    """One recorded training of one seed: the score, and the seconds from the start and the training loss, if anybody noted them."""

    score: float
    seconds: float | None
    loss: float | None = None


@dataclass(frozen=True)
class Row:
    """What is recorded of one architecture. `rungs[k - 1]` are the trainings to rung k, one for each seed that was recorded."""

    number: int  # in the file, the first below the header being 1
    measurements: dict[str, float | None]
    rungs: tuple[tuple[Training, ...], ...]

    def training(self, rung: int, seed: int) -> Training | None:
        """The training that seed stands for: the seeds recorded here, taken in turn. None where there is none to that rung."""
        recorded = self.rungs[rung - 1]
        return recorded[seed % len(recorded)] if recorded else None


@dataclass(frozen=True)
class Rows:
    """All of a table: the name and the options of each choice in order, the column behind it, and the rows by their choices."""

    choices: dict[str, list[Any]]
    columns: dict[str, str]
    by_key: dict[Key, Row]


def read_rows(conf: TableConf) -> Rows:
    """ValueError says which column, row or place of the mapping is at fault, and in which file."""
    file = Path(conf.file)
    frame = read_cells(file)
    try:
        columns = conf.choice_columns([str(name) for name in frame.columns])
        names = _names(columns)
        chosen = [options(frame, column) for column in columns]
        groups = _groups(list(zip(*chosen, strict=True)), columns, _seeds(frame, conf))
        by_key = _rows(frame, conf, groups)
        if not any(row.rungs[-1] for row in by_key.values()):
            raise ValueError(f"column '{conf.rungs[-1].accuracy[0]}': no number in any row; expected scores of the last rung")
    except ValueError as error:
        raise ValueError(f"{error} ({file})") from None
    return Rows({name: sorted(set(values)) for name, values in zip(names, chosen, strict=True)}, names, by_key)


def _names(columns: Sequence[str]) -> dict[str, str]:
    """Choice -> column. A choice is named as a place of an architecture can be: a column's other characters become `_`."""
    found: dict[str, str] = {}
    for column in columns:
        name = re.sub(r"\W", "_", column, flags=re.ASCII)
        name = f"_{name}" if not name or name[0].isdigit() else name
        name = f"{name}_" if iskeyword(name) or name in RESERVED else name
        if name in found:
            raise ValueError(f"columns '{found[name]}' and '{column}' would both be the choice '{name}'; rename one")
        found[name] = column
    return found


def _seeds(frame: pd.DataFrame, conf: TableConf) -> list[Any] | None:
    return options(frame, conf.seed) if conf.seed is not None else None


def _groups(keys: list[Key], columns: Sequence[str], seeds: list[Any] | None) -> dict[Key, list[int]]:
    """The rows of each architecture, by seed. ValueError where two rows tell of the same training."""
    groups: dict[Key, list[int]] = {}
    told: dict[tuple[Key, Any], int] = {}
    for row, key in enumerate(keys):
        training = (key, seeds[row] if seeds else None)
        if training in told:
            choices = ", ".join(f"{column}={value}" for column, value in zip(columns, key, strict=True))
            seed = f" and the seed {seeds[row]}" if seeds else ""
            way = "leave one out" if seeds else "leave one out or, if they differ in their seed, name its column: table.seed=..."
            raise ValueError(f"rows {told[training] + 1} and {row + 1} have the same choices ({choices}){seed}; {way}")
        told[training] = row
        groups.setdefault(key, []).append(row)
    if seeds:
        groups = {key: sorted(rows, key=lambda row: seeds[row]) for key, rows in groups.items()}
    return groups


def _rows(frame: pd.DataFrame, conf: TableConf, groups: dict[Key, list[int]]) -> dict[Key, Row]:
    measured = {ours: numbers(frame, column) for ours, column in conf.measurements.items()}
    unknown = np.full(len(frame), np.nan)
    scores = [[numbers(frame, column) for column in rung.accuracy] for rung in conf.rungs]
    losses = [[numbers(frame, column) for column in rung.loss] or [unknown] * len(rung.accuracy) for rung in conf.rungs]
    seconds = _seconds(frame, conf)
    found = {}
    for key, rows in groups.items():
        free = {ours: _mean(values[rows]) for ours, values in measured.items()}
        trained = tuple(
            tuple(
                Training(float(column[row]), _known(times[row]), _known(loss[row]))
                for row in rows
                for column, loss in zip(columns, lost, strict=True)
                if not np.isnan(column[row])
            )
            for columns, lost, times in zip(scores, losses, seconds, strict=True)
        )
        found[key] = Row(rows[0] + 1, free, trained)
    return found


def _seconds(frame: pd.DataFrame, conf: TableConf) -> list[np.ndarray]:
    """The time of each rung from the start; where a rung has no column, that of the longest timed rung by epochs."""
    timed = {rung.epochs: numbers(frame, rung.seconds) for rung in conf.rungs if rung.seconds is not None}
    for rung in conf.rungs:
        if rung.seconds is not None and (timed[rung.epochs] < 0).any():
            row = int((timed[rung.epochs] < 0).argmax())
            raise ValueError(f"column '{rung.seconds}', row {row + 1}: given {timed[rung.epochs][row]:g}; allowed: seconds from 0")
    unknown, longest = np.full(len(frame), np.nan), max(timed, default=0)
    scaled = {epochs: timed[longest] * epochs / longest if timed else unknown for epochs in conf.epochs}
    return [timed.get(epochs, scaled[epochs]) for epochs in conf.epochs]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None
