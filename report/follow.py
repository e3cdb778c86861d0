"""A run's log followed while it grows: each look reads only what was added since the one before."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from report.run import Run, run_of
from search.records import TRIALS, Ledger


@dataclass(frozen=True)
class Moment:
    """When something was known of a trial: a measured rung, or (rung None) its end. `elapsed_s` counts the time that the run went
    on, `trained_s` the training of all its trials up to then."""

    trial: int
    rung: int | None
    elapsed_s: float
    trained_s: float


class Follower:
    """One run directory, read as far as whole lines go. A log that was replaced is read anew."""

    def __init__(self, directory: Path):
        self.directory = directory
        self._version = 0
        self._begin()

    @property
    def version(self) -> int:
        """Changes with everything that is read."""
        return self._version

    @property
    def conf(self) -> Mapping[str, Any]:
        """What the run was made with, as far as that is written."""
        return self._conf

    def _begin(self) -> None:
        self._ledger = Ledger()
        self._read = self._lines = 0
        self._file: tuple[int, int] | None = None
        self._conf: Mapping[str, Any] = {}
        self._conf_at: float | None = None
        self._at: float | None = None
        self._elapsed = self._trained = 0.0
        self.moments: list[Moment] = []
        self.asked_at: dict[int, float] = {}
        """When each ask was made, in seconds of the run."""

    def look(self) -> bool:
        """Read what was added; whether anything was. ValueError names a line that is no event."""
        fresh = self._look()
        self._version += fresh
        return fresh

    def _look(self) -> bool:
        path = self.directory / TRIALS
        stat = path.stat()
        if self._file not in (None, (stat.st_dev, stat.st_ino)) or stat.st_size < self._read:
            self._begin()
        self._file = (stat.st_dev, stat.st_ino)
        fresh = self._look_at_conf()
        if stat.st_size == self._read:
            return fresh
        with path.open("rb") as log:
            log.seek(self._read)
            added = log.read()
        whole = added.rfind(b"\n") + 1
        for line in added[:whole].splitlines(keepends=True):
            self._apply(line)
        return fresh or whole > 0

    def _look_at_conf(self) -> bool:
        path = self.directory / "config.yaml"
        written = path.stat().st_mtime if path.is_file() else None
        if written == self._conf_at:
            return False
        self._conf, self._conf_at = (yaml.load(path.read_text(), _Loader) or {}) if written else {}, written
        return True

    def _apply(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            self._ledger.apply(event)
        except (ValueError, KeyError, IndexError, TypeError, AssertionError) as error:
            where = f"{self.directory / TRIALS}:{self._lines + 1}"
            raise ValueError(f"{where}: not an event ({error}); the log was edited or the disk is damaged") from None
        self._read += len(line)
        self._lines += 1
        self._note(event)

    def _note(self, event: Mapping[str, Any]) -> None:
        """Keep the times, which records do not have; what lies between two starts is not counted."""
        at = event.get("at")
        if isinstance(at, int | float):
            if self._at is not None and event["event"] != "started":
                self._elapsed += max(0.0, at - self._at)
            self._at = at
        number = event.get("number")
        if event["event"] == "asked":
            self.asked_at[number] = self._elapsed
            vars(self._ledger[number].proposal.arch)["id"] = event["id"]  # as logged: thousands need not be hashed again
        elif event["event"] in ("rung", "ended"):
            seconds = event.get("measurements", {}).get("train_s")
            self._trained += seconds if isinstance(seconds, int | float) else 0.0
            self.moments.append(Moment(self._ledger[number].trial, event.get("rung"), self._elapsed, self._trained))

    def run(self) -> Run:
        """The run as read so far."""
        return run_of(self.directory, self._conf, self._ledger.records)


def followed(directory: Path) -> Follower:
    """A run directory read as far as it goes by now."""
    follower = Follower(directory)
    follower.look()
    return follower


_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
