"""What the search knows of evaluation: a job goes in, finished rungs and one outcome come out. No torch here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from space import Arch

Measurements = Mapping[str, float | int | str | None]
"""Measurement name -> value; units end the name (`latency_ms`). Never NaN: an absent reading is None."""

TRAIN_LOSS = "train_loss"
"""A measurement of every rung k > 0, whatever the task: the mean loss of the training batches of its last epoch."""


@dataclass(frozen=True)
class Job:
    """One trial's work: train `arch` under `seed` up to `rung` (0: measure cost and latency only).

    `directory` is the trial's own: checkpoints and finished rungs found there are adopted, not repeated. `parent` is the directory
    of the trial whose weights it begins with, where candidates inherit from the run. `again`: measure only (rung is 0), and anew:
    nothing that was found or predicted before counts.
    """

    arch: Arch
    seed: int
    rung: int
    directory: Path
    parent: Path | None = None
    again: bool = False


@dataclass(frozen=True)
class RungResult:
    """A finished rung. Rung 0 carries cost and latency; rung k > 0 the task's metrics after training that far."""

    rung: int
    measurements: Measurements


@dataclass(frozen=True)
class Outcome:
    """How a trial ended. `reason` says which limit and by how much, or the failure's type and text, or a bug's traceback."""

    kind: Literal["ok", "infeasible", "failed", "bug"]
    reason: str = ""


class Evaluate(Protocol):
    """Runs a job: yields a RungResult for each finished rung from 0 to job.rung, then exactly one Outcome. Never raises.

    Picklable (it travels to workers); what is costly to build (data, the baseline) is built on first use in the worker.
    """

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]: ...
