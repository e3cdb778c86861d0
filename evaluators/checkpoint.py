"""The files of one trial's directory: rung_<k>.pt for each finished rung, with its measurements and, the newest, the weights; and,
while a rung is under way, epoch.pt, from where it goes on after an interruption."""

import os
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evaluators.api import Measurements

UNREADABLE = (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError)

PART = ".part"
"""How the suffix begins of a file that is being written; the process that writes it follows."""

SHORTEST_S = 30.0
"""What an interruption may cost, when epochs are shorter: of a search's trainings of a minute few are saved in between."""
WORTH = 100
"""Time trained for each unit of time spent saving: one per cent at most."""


@dataclass(frozen=True)
class Finished:
    """A finished rung as found on disk; `state` is empty where a later rung holds the weights."""

    measurements: Measurements
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """Finished rungs of the training that `key` identifies, and where the next one stands. A file is renamed into place when whole,
    so it is whole or not there; one that is torn all the same, or of another training, counts as absent and is written again. What
    a process that was killed had begun to write is removed."""

    directory: Path
    key: str
    made: Mapping[str, Any] = field(default_factory=dict)
    """What network this is of (network, arch, classes, image_size, width), so that the file can start other networks."""

    def __post_init__(self) -> None:
        for part in self.directory.glob(f"*{PART}*"):
            if not runs(part.suffix.removeprefix(PART)):
                part.unlink(missing_ok=True)

    def find(self, rung: int) -> Finished | None:
        """What is kept of a rung, tensors on the CPU and read only when used."""
        content = self._read(self._path(rung))
        return Finished(content["measurements"], content["state"]) if content else None

    def latest(self, rung: int, epochs: Callable[[int], int]) -> tuple[int, Mapping[str, Any]]:
        """From where the training of a rung goes on: epochs behind it and all that it left; (0, {}) where it starts anew. `epochs`
        tells those of a rung."""
        under_way = self._read(self._epoch_path)
        reached = under_way["epoch"] if under_way and under_way["epoch"] <= epochs(rung) else 0
        for lower in range(rung - 1, 0, -1):
            finished = self.find(lower)
            if finished and finished.state and epochs(lower) >= reached:
                return epochs(lower), finished.state
        return (reached, under_way["state"]) if under_way and reached else (0, {})

    def save_epoch(self, epoch: int, state: Mapping[str, Any]) -> None:
        """Keep where the training stands after so many epochs, in the place of what was kept before."""
        self._write(self._epoch_path, {"epoch": epoch, "state": dict(state)})

    def save(self, rung: int, measurements: Measurements, state: Mapping[str, Any]) -> None:
        """Keep a finished rung; once it is in place, lower rungs keep their measurements and give up their weights."""
        self._write_rung(rung, measurements, state)
        self._epoch_path.unlink(missing_ok=True)
        for lower in range(1, rung):
            finished = self.find(lower)
            if finished and finished.state:
                self._write_rung(lower, finished.measurements, {})

    def _read(self, path: Path) -> Mapping[str, Any] | None:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except UNREADABLE:
            return None
        return content if isinstance(content, dict) and content.get("key") == self.key else None

    def _write_rung(self, rung: int, measurements: Measurements, state: Mapping[str, Any]) -> None:
        self._write(self._path(rung), {"measurements": dict(measurements), "state": dict(state)})

    def _write(self, path: Path, content: Mapping[str, Any]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f"{PART}{os.getpid()}")
        with part.open("wb") as file:
            torch.save({"key": self.key, "made": dict(self.made), **content}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)

    @property
    def _epoch_path(self) -> Path:
        return self.directory / "epoch.pt"

    def _path(self, rung: int) -> Path:
        return self.directory / f"rung_{rung}.pt"


def runs(process: str) -> bool:
    """Whether a process of this machine has this number. What is no number is not ours to judge."""
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OSError):
        pass
    return True


class Pace:
    """When to save an epoch: often enough that little is lost, seldom enough that it costs little."""

    def __init__(self) -> None:
        self.since, self.took = time.perf_counter(), 0.0

    def due(self) -> bool:
        return time.perf_counter() - self.since >= max(SHORTEST_S, WORTH * self.took)

    def timed(self, save: Callable[[], None]) -> None:
        start = time.perf_counter()
        save()
        self.since = time.perf_counter()
        self.took = self.since - start
