"""The files of one trial's directory: rung_<k>.pt for each finished rung, with its measurements and, the newest, the weights."""

import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from evaluators.api import Measurements

UNREADABLE = (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Finished:
    """A finished rung as found on disk; `state` is empty where a later rung holds the weights."""

    measurements: Measurements
    state: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """Finished rungs of the training that `key` identifies. A file is renamed into place when whole, so it is whole or not there;
    one that is torn all the same, or of another training, counts as absent and is written again."""

    directory: Path
    key: str
    made: Mapping[str, Any] = field(default_factory=dict)
    """What network this is of (network, arch, classes, image_size, width), so that the file can start other networks."""

    def find(self, rung: int) -> Finished | None:
        """What is kept of a rung, tensors on the CPU and read only when used."""
        try:
            content = torch.load(self._path(rung), map_location="cpu", weights_only=True, mmap=True)
        except UNREADABLE:
            return None
        if not isinstance(content, dict) or content.get("key") != self.key:
            return None
        return Finished(content["measurements"], content["state"])

    def latest(self, below: int) -> tuple[int, Mapping[str, Any]]:
        """The highest rung under `below` whose weights are kept, and they; (0, {}) where training starts anew."""
        for rung in range(below - 1, 0, -1):
            finished = self.find(rung)
            if finished and finished.state:
                return rung, finished.state
        return 0, {}

    def save(self, rung: int, measurements: Measurements, state: Mapping[str, Any]) -> None:
        """Keep a finished rung; once it is in place, lower rungs keep their measurements and give up their weights."""
        self._write(rung, measurements, state)
        for lower in range(1, rung):
            finished = self.find(lower)
            if finished and finished.state:
                self._write(lower, finished.measurements, {})

    def _write(self, rung: int, measurements: Measurements, state: Mapping[str, Any]) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        part = self._path(rung).with_suffix(f".part{os.getpid()}")
        with part.open("wb") as file:
            content = {"key": self.key, "made": dict(self.made), "measurements": dict(measurements), "state": dict(state)}
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._path(rung))

    def _path(self, rung: int) -> Path:
        return self.directory / f"rung_{rung}.pt"
