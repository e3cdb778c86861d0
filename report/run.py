"""A run as the report sees it: what config.yaml and trials.jsonl say, by trial. Nothing is computed from memory."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from evaluators.api import Measurements
from report.figures import figure
from search.objectives import Objective, objectives
from search.records import Record, Records, read
from search.spending import horizon
from search.steady import beside, usual
from space import Arch


@dataclass(frozen=True)
class Trial:
    """One trained (or refused) architecture with one seed; asks that continue each other are one trial.

    kind: ok, measured (cost and latency only, where others are trained), infeasible, failed, or open (asked and not ended).
    rung: the furthest one measured, -1 for none.
    rungs: each rung's own measurements; `measurements` merges them.
    """

    number: int
    arch: Arch
    seed: int
    rung: int
    kind: str
    reason: str
    measurements: Measurements
    rungs: Mapping[int, Measurements] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Everything of a run directory. `starts` are the facts noted each time it was started; `finished` why it ended, or None;
    `trained` trial and rung of each training that was asked for and began, in this order."""

    directory: Path
    conf: Mapping[str, Any]
    trials: tuple[Trial, ...]
    starts: tuple[Mapping[str, Any], ...]
    finished: str | None
    bugs: tuple[str, ...]
    trained: tuple[tuple[int, int], ...] = ()

    @property
    def name(self) -> str:
        return f"{self.directory.parent.name} / {self.directory.name}"

    @property
    def goals(self) -> tuple[Objective, ...]:
        """The run's objectives; of a log without config.yaml, the first measurement of a trained rung and the latency."""
        trained = (name for trial in self.trials for rung, found in trial.rungs.items() if rung > 0 for name in found)
        assumed = {name: figure(name).better for name in [*itertools.islice(trained, 1), "latency_ms"]}
        return objectives(self.conf.get("search", {}).get("objectives") or assumed)

    @cached_property
    def rungs(self) -> tuple[int, ...]:
        """Epochs by the end of each rung, as the schedule or the recorded table has them; () where neither is known."""
        recorded = (self.conf.get("table") or {}).get("rungs") or []
        return tuple((self.conf.get("schedule") or {}).get("rungs") or (rung["epochs"] for rung in recorded))

    @property
    def separate(self) -> bool:
        """Whether each rung is a training of its own."""
        return bool((self.conf.get("table") or {}).get("separate"))

    def epochs(self, rung: int, before: int = 0) -> float:
        """Epochs of a training from the rung `before` on; rungs themselves where it is not known how long they are."""
        rungs = self.rungs if 0 < rung <= len(self.rungs) else range(1, max(rung, before) + 1)
        return horizon(rungs, rung) - (0.0 if self.separate else horizon(rungs, before))

    @property
    def baseline(self) -> Trial | None:
        """Trial 0, what everything is compared with."""
        return self.trials[0] if self.trials else None

    @property
    def command(self) -> str:
        """The command that continues the run."""
        return str(self.starts[-1].get("command", "")) if self.starts else ""

    def count(self, kind: str) -> int:
        return sum(trial.kind == kind for trial in self.trials)

    def started_at(self) -> str:
        stamp = self.starts[0].get("at") if self.starts else None
        return datetime.fromtimestamp(stamp, UTC).strftime("%Y-%m-%d %H:%M UTC") if isinstance(stamp, int | float) else ""


def load(run_dir: Path | str) -> Run:
    """Read a run directory, also while the run is going on. ValueError where it is none."""
    directory = Path(run_dir).resolve()
    records, conf = read(directory), directory / "config.yaml"
    return run_of(directory, yaml.safe_load(conf.read_text()) if conf.is_file() else {}, records)


def run_of(directory: Path, conf: Mapping[str, Any] | None, records: Records) -> Run:
    """The run that a configuration and records make."""
    chains: dict[int, list[Record]] = {}
    for record in records:
        chains.setdefault(record.trial, []).append(record)
    training = any(record.proposal.rung > 0 for record in records)
    as_a_rule = usual(record.measurements for record in records if record.proposal.trial is None)
    trials = tuple(_trial(chain, training, as_a_rule) for chain in chains.values())
    trained = tuple((record.trial, record.proposal.rung) for record in records if record.proposal.rung > 0 and not record.untrained)
    return Run(directory, conf or {}, trials, records.started, records.finished, records.bugs, trained)


def _trial(chain: list[Record], training: bool, baseline: Mapping[str, float]) -> Trial:
    """The asks of one trial as one: how the last of them stands, and the rungs of all. In a run that trains, one that was not
    asked to is `measured` only. Times are shown beside what the `baseline` takes as a rule."""
    last = chain[-1]
    rungs = {result.rung: beside(result.measurements, baseline) for record in chain for result in record.results}
    kind, reason = (last.outcome.kind, last.outcome.reason) if last.outcome else ("open", "")
    proposal, measurements = last.proposal, beside(last.measurements, baseline)
    if kind == "ok" and training and proposal.rung == 0:
        kind = "measured"
    return Trial(last.trial, proposal.arch, proposal.seed, max(rungs, default=-1), kind, reason, measurements, rungs)
