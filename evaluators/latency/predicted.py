"""Latency from a table: predicted where the table tells enough, measured where it does not."""

import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import lru_cache
from hashlib import sha1
from pathlib import Path
from typing import Any, ClassVar

from torch import nn

from evaluators.api import Measurements
from evaluators.latency import BACKENDS
from evaluators.latency._deployed import OWN, Deployed
from evaluators.latency._paired import Forward, Ready, sized
from evaluators.latency._predictor import LEVEL, UNSURE, Foretold, Predictor
from evaluators.latency._table import LatencyTable, key_names, measurement, said
from evaluators.latency._work import counting, work_of
from evaluators.turns import DeviceTurns
from space import Arch

HOW = "python -m evaluators.latency table +space=... latency=... measures one"
OPTION = {"latency_precision": "precision", "latency_threads": "threads", "latency_batch_size": "batch_size"}


@BACKENDS.register("predicted")
@dataclass(frozen=True, kw_only=True)
class Predicted(Deployed):
    """A member of the table has the latency that was measured then. Others have the predictor's, marked `latency_predicted`, with
    its 90 % interval; where that is wider than `unsure` (end to end, as a share), or a choice is one that no member of the table
    has, they are measured as the table was.

    table: the file. runtime: the backend that it was measured on, as `latency=` calls it; empty is the table's. precision, threads,
    batch_size and the device have to be the table's; options that only the backend has are taken from it. away: the table is
    another device's, say a board's: nothing is measured here.
    """

    backend: ClassVar[str] = "predicted"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16", "fp16", "int8")

    table: str = ""
    runtime: str = ""
    unsure: float = UNSURE
    away: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.unsure > 0:
            raise ValueError(f"latency.unsure is {self.unsure}; it has to be above 0: the width of an interval, as a share")
        if self.runtime == self.backend:
            raise ValueError(f"latency.runtime: given {self.runtime}; allowed: what measures, as latency=onnxruntime names it")

    @property
    def read(self) -> LatencyTable:
        """ValueError where there is none to read."""
        if not self.table:
            raise ValueError(f"latency.table: not given; expected the path of a latency table, latency.table=... ({HOW})")
        return table_at(self.table)

    @property
    def measuring(self) -> Deployed:
        """What the table was measured with, set up as this is."""
        key = self.read.key if self.table else {}
        kind = BACKENDS[self.runtime or key.get("latency_backend", "torch")]
        shared = {field.name: getattr(self, field.name) for field in fields(Deployed)}
        own = {field.name: key[OWN + field.name] for field in fields(kind) if OWN + field.name in key}
        return kind(**{**shared, **own, "also": {}})

    @property
    def missing(self) -> list[str]:
        return self.measuring.missing if not self.away else []

    @property
    def transforms(self) -> bool:
        return self.measuring.transforms and not self.away

    @property
    def keeps(self) -> bool:
        return self.measuring.keeps

    @property
    def resolved_device(self) -> str:
        return "cpu" if self.away else self.measuring.resolved_device

    def check_here(self) -> None:
        """ValueError where the table cannot serve here: it is not there, or was measured on something else."""
        key = self.read.key
        predictor_at(self.table)
        if not self.away:
            backend = self.measuring
            backend.check_here()
            self._same(key, {**backend.facts(), "latency_batch_size": self.batch_size})

    def check_for(self, baseline: Arch, input_size: Sequence[int], classes: int) -> None:
        """ValueError where the table is that of other networks: their input, their outputs, what they are compared with."""
        self._same(self.read.key, {"latency_input_size": sized(input_size), "classes": classes, "baseline_id": baseline.id})

    def _same(self, there: Measurements, here: Measurements) -> None:
        for name in key_names(here):
            if name in here and here[name] != there.get(name):
                option = OPTION.get(name)
                remedy = f"latency.{option}={there[name]}, or " if option else ""
                away = ", or latency.away=true where the table is meant to be another device's" if name == "latency_device" else ""
                given = f"latency.table: {self.table} was measured with {said(name, there)}"
                raise ValueError(f"{given}, this run has {here[name]}; allowed: {remedy}a table of its own ({HOW}){away}")

    def foretold(self, arch: Arch) -> Measurements | None:
        """What the table says of a member without measuring it; None where it has to be measured."""
        table, elsewhere = self.read, {"latency_away": 1} if self.away else {}
        if arch.id in table.members:
            return {**measurement(table.members[arch.id]), "latency_predicted": 0, **elsewhere}
        predictor = predictor_at(self.table)
        told = predictor(arch, work_of(arch, input_size=table.input_size, classes=table.key["classes"]))
        unsure = bool(predictor.features.unseen(arch)) or told.width > self.unsure
        if unsure and not self.away:
            return None
        marks = {"latency_predicted": 1, **elsewhere, **({"latency_unsure": int(unsure)} if self.away else {})}
        return {**figures(told, table.baseline_ms), **table.key_figures, **marks}

    def prepare(self, module: nn.Module, input_size: Sequence[int]) -> Forward:
        return self.measuring.prepare(module, input_size)

    def ready(self, module: nn.Module, input_size: Sequence[int]) -> Ready:
        return self.measuring.ready(module, input_size)

    def conditions(self) -> AbstractContextManager[object]:
        return self.measuring.conditions()

    def measure(
        self, candidate: nn.Module, baseline: nn.Module | Ready, input_size: Sequence[int], turns: DeviceTurns | None = None
    ) -> dict[str, float | int | str | None]:
        return {**self.measuring.measure(candidate, baseline, input_size, turns), "latency_predicted": 0}

    def facts(self) -> Measurements:
        return self.measuring.facts()


def figures(told: Foretold, baseline_ms: float) -> dict[str, float]:
    """A prediction under the names of a measurement: milliseconds are those beside the table's usual baseline."""
    ends = {"": told.ratio, "_low": told.low, "_high": told.high}
    times = {f"latency{end}_ms": ratio * baseline_ms for end, ratio in ends.items()}
    ratios = {f"latency_ratio{end}": ratio for end, ratio in ends.items()}
    return {**times, "latency_level": LEVEL, **ratios, "latency_width": told.width, "baseline_latency_ms": baseline_ms}


def table_at(path: str) -> LatencyTable:
    """The table in a file, read again where the file has changed."""
    file = Path(path).expanduser().resolve()
    return _table(file, file.stat().st_mtime_ns if file.exists() else 0)


def predictor_at(path: str) -> Predictor:
    """Fitted to the table in a file: once in a process."""
    file = Path(path).expanduser().resolve()
    return _predictor(table_at(path), digest(file))


@lru_cache(maxsize=8)
def _table(file: Path, changed: int) -> LatencyTable:
    return LatencyTable.read(file)


@lru_cache(maxsize=8)
def _predictor(table: LatencyTable, content: str) -> Predictor:
    return Predictor(table, model_chosen(table.path, content))


def stated_beside(file: Path) -> Path:
    """Where the choice of a model and its error are kept."""
    return file.with_suffix(".json")


def digest(file: Path) -> str:
    """Of all that a predictor is fitted to: the table, and how this version counts work."""
    return sha1(file.read_bytes() + counting().encode()).hexdigest()


def model_chosen(file: Path, content: str) -> str:
    """The model that was chosen for exactly this table; '' where that is not known, and is to be found again."""
    try:
        said: dict[str, Any] = json.loads(stated_beside(file).read_text())
    except (OSError, ValueError):
        return ""
    return said["model"] if said.get("table") == content else ""
