"""Which column of a table of recorded trainings means what: the dataclass of conf/table/*.yaml. docs/tables.md shows one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any

from evaluators.api import TRAIN_LOSS
from evaluators.tables.graph import GraphConf
from registry import nearest

DIRECTIONS = ("min", "max")
ACCURACY = {"accuracy": "max"}
TAKEN = ("train_s", TRAIN_LOSS)  # measurements that a replay writes itself


@dataclass(frozen=True)
class RungConf:
    """One fidelity: trainings of so many epochs."""

    epochs: int = 1
    accuracy: list[str] = field(default_factory=list)  # columns, one for each seed
    seconds: str | None = None  # column of the time from the start; null: the longest timed rung's, by epochs
    loss: list[str] = field(default_factory=list)  # columns of the training loss, one for each of `accuracy`, if it was noted


@dataclass(frozen=True)
class TableConf:
    """conf/table/<name>.yaml. Columns are given by name, choices by patterns too (`edge*`)."""

    file: str = ""  # csv (also .gz) or parquet
    choices: list[str] = field(default_factory=list)
    rungs: list[RungConf] = field(default_factory=list)
    measurements: dict[str, str] = field(default_factory=dict)  # what costs no training: our name -> column
    metric: dict[str, str] = field(default_factory=lambda: dict(ACCURACY))  # the accuracy's name and direction
    separate: bool = True  # each rung is a training of its own; false: points of one training, which may be continued
    baseline: dict[str, Any] = field(default_factory=dict)  # column -> value; empty: the first row
    seed: str | None = None  # a row holds one seed's training: the column that tells them apart
    graph: GraphConf = field(default_factory=GraphConf)  # the graph whose edges the choices are, if they are

    def __post_init__(self) -> None:
        if len(self.metric) == 2:  # a name that is given is added to the default; it stands for it
            object.__setattr__(self, "metric", {k: v for k, v in self.metric.items() if (k, v) not in ACCURACY.items()})
        for name in ("choices", "rungs"):
            if not getattr(self, name):
                raise ValueError(f"table.{name}: none given; allowed: one or more, as docs/tables.md shows")
        epochs = [rung.epochs for rung in self.rungs]
        if epochs[0] < 1 or any(a >= b for a, b in pairwise(epochs)):
            raise ValueError(f"table.rungs: epochs {epochs} given; allowed: from 1, each more than the one before")
        for n, rung in enumerate(self.rungs):
            if not rung.accuracy:
                raise ValueError(f"table.rungs[{n}].accuracy: no column given; allowed: one or more, one for each seed")
            if rung.loss and len(rung.loss) != len(rung.accuracy):
                many = f"{len(rung.loss)} given beside {len(rung.accuracy)} of accuracy"
                raise ValueError(f"table.rungs[{n}].loss: {many}; allowed: none, or the column that belongs to each of those")
            if self.seed is not None and len(rung.accuracy) > 1:
                many = f"{len(rung.accuracy)} columns given beside table.seed={self.seed}"
                raise ValueError(f"table.rungs[{n}].accuracy: {many}; allowed: one, as each row is one seed's training")
        self._check_metric()

    def _check_metric(self) -> None:
        if len(self.metric) != 1:
            raise ValueError(f"table.metric: given {dict(self.metric)}; allowed: one name and its direction, as {{accuracy: max}}")
        name, direction = next(iter(self.metric.items()))
        if direction not in DIRECTIONS:
            raise ValueError(f"table.metric.{name}: unknown direction '{direction}'; {nearest(str(direction), list(DIRECTIONS))}")
        for ours in self.measurements:
            if ours in (name, *TAKEN):
                raise ValueError(f"table.measurements.{ours}: '{ours}' is measured by training; give the column another name")

    @property
    def epochs(self) -> list[int]:
        """Of rung 1, 2 ..."""
        return [rung.epochs for rung in self.rungs]

    @property
    def metric_name(self) -> str:
        return next(iter(self.metric))

    def columns(self) -> Iterator[tuple[str, str]]:
        """Every column that is named outside of the choices: (place in the mapping, column)."""
        for n, rung in enumerate(self.rungs):
            yield from ((f"table.rungs[{n}].accuracy", column) for column in rung.accuracy)
            yield from ((f"table.rungs[{n}].loss", column) for column in rung.loss)
            if rung.seconds is not None:
                yield f"table.rungs[{n}].seconds", rung.seconds
        yield from ((f"table.measurements.{ours}", column) for ours, column in self.measurements.items())
        if self.seed is not None:
            yield "table.seed", self.seed

    def choice_columns(self, known: list[str]) -> list[str]:
        """The columns that hold choices, in the table's order. ValueError where a name or pattern finds none, or where a column is
        given another meaning too; a choice may be a measurement beside."""
        found: set[str] = set()
        for wanted in self.choices:
            matching = [wanted] if wanted in known else [column for column in known if fnmatchcase(column, wanted)]
            if not matching:
                raise ValueError(f"table.choices: no column '{wanted}'; {nearest(wanted, known)}")
            found.update(matching)
        for place, column in self.columns():
            if column not in known:
                raise ValueError(f"{place}: no column '{column}'; {nearest(column, known)}")
            if column in found and not place.startswith("table.measurements"):
                raise ValueError(f"{place}: column '{column}' is one of table.choices too; a column has one meaning")
        return [column for column in known if column in found]
