"""A latency table: a CSV of members of a space as they were measured on one device, a row each, on disk as soon as it is known.

Columns: which member it is, its choices by their dotted names, what its operators do, everything that the measurement says (its key
included), why there is none where a backend cannot run it, and the architecture itself. A member that was measured again has a
further row; the one beside the faster baseline counts.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

from evaluators.api import Measurements
from evaluators.latency._deployed import OWN
from evaluators.latency._members import Member
from evaluators.latency._paired import SLOWED
from evaluators.latency._work import counting, work_of
from space import Arch, Space

KEY = (
    "latency_backend",
    "latency_device",
    "latency_precision",
    "latency_threads",
    "latency_batch_size",
    "latency_input_size",
    "latency_runtime",
    "classes",
    "baseline_id",
)
"""Figures compare where all of these are equal, and the backend's own options."""

WORK, WORK_CODE = "work", "work_code"
"""Columns: the work of the member's operators, as JSON; by which code it was counted."""

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class LatencyTable:
    """The rows of one file, in the order of the measurements; numbers are numbers, what is empty is absent."""

    path: Path
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> "LatencyTable":
        """ValueError where the file is missing or is no latency table. A last line that a kill has torn is left out."""
        try:
            with path.open(newline="") as file:
                text = file.read()
        except OSError as error:
            how = "python -m evaluators.latency table +space=... latency=... writes one"
            raise ValueError(f"{path}: no latency table to read here ({error.strerror}); {how}") from None
        lines = text[: text.rfind("\n") + 1].splitlines()
        found = csv.DictReader(lines)
        missing = [name for name in ("arch_id", "latency_ratio", "arch", *KEY) if name not in (found.fieldnames or ())]
        if missing:
            raise ValueError(f"{path}: no latency table: it has no column {', '.join(missing)}")
        return cls(path, tuple(_typed(row) for row in found))

    @cached_property
    def key(self) -> dict[str, Any]:
        """What was measured on what. ValueError where its rows do not agree: they are several tables."""
        measured = list(self.members.values())
        if not measured:
            raise ValueError(f"{self.path}: none of its {len(self.rows)} members was measured")
        names = key_names(name for row in measured for name in row)
        for name in names:
            if len(found := {row.get(name) for row in measured}) > 1:
                raise ValueError(f"{self.path}: its rows differ in {name} ({', '.join(map(str, found))}); one table has one key")
        return {name: measured[0].get(name) for name in names}

    @property
    def key_figures(self) -> dict[str, Any]:
        """The part of the key that a measurement bears."""
        return {name: value for name, value in self.key.items() if name.startswith("latency_")}

    @property
    def input_size(self) -> tuple[int, ...]:
        return tuple(int(side) for side in self.key["latency_input_size"].split("x"))

    def work(self, row: Row) -> Measurements:
        """What the operators of a row's member do: as the file says, or counted here where another code counted it."""
        if row.get(WORK_CODE) == counting() and WORK in row:
            return json.loads(row[WORK])
        try:
            return work_of(arch_of(row), input_size=self.input_size, classes=self.key["classes"])
        except ValueError as error:
            given = f"{self.path}: written by another version, and this one cannot build its member {row['arch_id'][:8]} ({error})"
            raise ValueError(f"{given}; measure a new table") from None

    @cached_property
    def members(self) -> dict[str, Row]:
        """The row that counts of each measured member, by arch id: the machine was busy beside a slow baseline."""
        found: dict[str, Row] = {}
        for row in (row for row in self.rows if "latency_ratio" in row):
            known = found.setdefault(row["arch_id"], row)
            if row["baseline_latency_ms"] < known["baseline_latency_ms"]:
                found[row["arch_id"]] = row
        return found

    @cached_property
    def baseline_ms(self) -> float:
        """What the baseline takes as a rule."""
        return median(float(row["baseline_latency_ms"]) for row in self.members.values())

    @property
    def slowed(self) -> list[str]:
        """Ids of members measured, once so far, while the machine was slower than usual: what to measure again. Where it was
        unsteady, the measurement has been repeated on the spot."""
        times = Counter(row["arch_id"] for row in self.rows)
        slow = SLOWED * self.baseline_ms if self.members else 0.0
        return [key for key, row in self.members.items() if times[key] == 1 and row["baseline_latency_ms"] > slow]


def key_names(columns: Iterable[str]) -> list[str]:
    """Which names make up the key, where these are known."""
    return [*KEY, *sorted({name for name in columns if name.startswith(OWN)})]


def said(name: str, key: Mapping[str, Any]) -> str:
    """A part of a key in words."""
    return f"{name.removeprefix(OWN).removeprefix('latency_')} {key.get(name, '(not recorded)')}"


def arch_of(row: Row) -> Arch:
    content = json.loads(row["arch"])
    return Arch(content["network"], content["arch"])


def measurement(row: Row) -> Measurements:
    """What was measured, without what else the row says."""
    return {name: value for name, value in row.items() if name.startswith(("latency_", "baseline_latency", "baseline_spread"))}


class Writer:
    """Appends rows to a table, each on disk when `add` returns. The first one's measurements give the columns."""

    def __init__(self, path: Path, space: Space):
        self.path, self.space = path, space

    def add(self, member: Member, *, work: Measurements, found: Measurements, facts: Mapping[str, Any], why: str = "") -> None:
        """work: what its operators do. found: the measurement; where there is none, `why` says so. facts: the rest of the key."""
        choices = {hole.name: "" for hole in self.space.holes()} | self._choices(member.arch)
        whole = json.dumps({"network": member.arch.network, "arch": member.arch.arch}, separators=(",", ":"))
        named = {"arch_id": member.arch.id, "member": member.kind, "note": member.note}
        counted = {WORK: json.dumps(work, separators=(",", ":")), WORK_CODE: counting()} if work else {}
        row = {**named, **choices, **counted, **found, **facts, "error": " ".join(why.split()), "arch": whole}
        columns = self._columns() or list(row)
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            if not file.tell():
                writer.writeheader()
            writer.writerow(row)
            file.flush()
            os.fsync(file.fileno())

    def mend(self) -> None:
        """Cut a last line that a kill has torn."""
        data = self.path.read_bytes() if self.path.exists() else b""
        if data and not data.endswith(b"\n"):
            os.truncate(self.path, data.rfind(b"\n") + 1)

    def _choices(self, arch: Arch) -> dict[str, Any]:
        return self.space.choices(arch) if arch in self.space else {}

    def _columns(self) -> list[str]:
        if not self.path.exists():
            return []
        with self.path.open(newline="") as file:
            return next(csv.reader(file), [])


def _typed(row: Mapping[str, str]) -> Row:
    """Numbers as numbers, but for choices and texts; without what is empty."""
    return {name: _number(value) if _measured(name) else value for name, value in row.items() if value not in ("", None)}


def _measured(name: str) -> bool:
    return name.startswith(("latency_", "baseline_latency", "baseline_spread")) or name == "classes"


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
