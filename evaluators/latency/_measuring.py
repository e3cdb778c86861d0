"""Measuring a latency table: member by member, each on disk at once, so that the same command goes on where it was stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from pathlib import Path
from typing import Any

from torch import nn

from evaluators.api import Measurements
from evaluators.latency._bench import LatencyBench
from evaluators.latency._deployed import Deployed
from evaluators.latency._members import Member
from evaluators.latency._paired import CannotRun
from evaluators.latency._table import WORK, LatencyTable, Writer, key_names, said
from evaluators.latency._work import work_of
from space import Arch, Space, build_measured

Told = Callable[[int, Member, Measurements, str], None]
"""Called after each member: how many are done, which it was, its measurement, and why there is none."""


@dataclass(frozen=True)
class Measuring:
    """What a table is measured of and with. `classes`: outputs of the networks."""

    space: Space
    backend: Deployed
    classes: int
    path: Path

    @cached_property
    def bench(self) -> LatencyBench:
        return LatencyBench(self.backend, lambda: self.network(self.space.baseline), self.space.input_size)

    def network(self, arch: Arch) -> nn.Module:
        return build_measured(arch, self.classes, image_size=self.space.input_size)

    @property
    def facts(self) -> dict[str, Any]:
        """The part of the key that no measurement bears."""
        return {"classes": self.classes, "baseline_id": self.space.baseline.id}

    @property
    def key(self) -> dict[str, Any]:
        return {**self.backend.key(self.space.input_size), **self.facts}

    def known(self) -> LatencyTable:
        """What the file has already. ValueError where that was measured of something else."""
        if not self.path.exists() or not self.path.stat().st_size:
            return LatencyTable(self.path, ())
        table = LatencyTable.read(self.path)
        here = self.key
        for name in key_names([*table.key, *here]) if table.members else ():
            if table.key.get(name) != here.get(name):
                given = f"{self.path}: measured with {said(name, table.key)}, here it is {here.get(name)}"
                raise ValueError(f"{given}; allowed: the same, or another file (--out)")
        others = {hole.name for hole in self.space.holes()}.symmetric_difference(self._choices())
        if others:
            raise ValueError(f"{self.path}: another space's members ({min(others)} is not in both); give another file (--out)")
        return table

    def run(self, wanted: Sequence[Member], told: Told) -> LatencyTable:
        """Measure what the file lacks; then once more those beside which the machine was slower than usual."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        Writer(self.path, self.space).mend()
        had = {row["arch_id"] for row in self.known().rows}
        done = sum(member.arch.id in had for member in wanted)
        for member in (member for member in wanted if member.arch.id not in had):
            done += 1
            self._measure(member, done, told)
        again = set(self.known().slowed)
        for member in (member for member in wanted if member.arch.id in again):
            self._measure(member, done, told)
        return self.known()

    def _measure(self, member: Member, done: int, told: Told) -> None:
        work, found, why = self._measured(member.arch)
        if why and member.kind == "baseline":
            raise ValueError(f"latency: the baseline cannot be measured, and the others are measured beside it: {why}")
        Writer(self.path, self.space).add(member, work=work, found=found, facts=self.facts, why=why)
        told(done, member, found, why)

    def _measured(self, arch: Arch) -> tuple[Measurements, Measurements, str]:
        """Work, latency, and why there is none."""
        try:
            work = work_of(arch, input_size=self.space.input_size, classes=self.classes)
        except ValueError as error:
            return {}, {}, f"no network can be built of it: {error}"
        try:
            return work, self.bench.measure("", lambda: self.network(arch)), ""
        except CannotRun as error:
            return work, {}, str(error)

    def _choices(self) -> list[str]:
        """Columns of the file between the note and the work."""
        columns = self.path.read_text().split("\n", 1)[0].split(",")
        return list(takewhile(lambda name: name.split("_")[0] != WORK, columns[columns.index("note") + 1 :]))
