"""The runs that the page shows: found under the folders given, looked at again while the page is open."""

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from evaluators.tables.recorded_space import restore_network
from registry import import_plugins, nearest
from report.follow import Follower
from report.view import View
from search.records import TRIALS

LISTED = 30
"""Folders that an error lists at most."""
AGAIN_S = 10.0
"""Seconds after which folders are searched for new runs again."""


class Watch:
    """The runs by key (their path below what they have in common), each with its newest view. Several threads may ask."""

    def __init__(self, paths: Sequence[Path]):
        self.paths = [Path(path).resolve() for path in paths]
        self.trouble: dict[str, str] = {}
        self._lock = threading.RLock()
        self._followers: dict[str, Follower] = {}
        self._views: dict[str, View] = {}
        self._searched = 0.0
        found = list(dict.fromkeys(run for path in self.paths for run in run_dirs(path)))
        self._root = Path(os.path.commonpath([run.parent for run in found]))
        for run in found:
            self._open(run)
        self._searched = time.monotonic()

    def keys(self) -> list[str]:
        return list(self._followers)

    def view(self, key: str) -> View:
        with self._lock:
            if key not in self._views:
                self._views[key] = View(key, self._followers[key])
            return self._views[key]

    def versions(self) -> dict[str, int]:
        """How far each run has been read: what changes when a picture must be drawn again."""
        return {key: follower.version for key, follower in self._followers.items()}

    def look(self) -> None:
        """Read what was added to any log. One that cannot be read is told of, and stays as it was."""
        with self._lock:
            self._search()
            for key, follower in self._followers.items():
                try:
                    if follower.look():
                        self._views.pop(key, None)
                    self.trouble.pop(key, None)
                except (ValueError, OSError) as error:
                    self.trouble[key] = str(error)

    def _search(self) -> None:
        """Runs that were begun since; those given as they are need no search."""
        if time.monotonic() - self._searched < AGAIN_S:
            return
        known = {follower.directory for follower in self._followers.values()}
        for path in self.paths:
            for run in below(path):
                if run not in known:
                    self._try(run)
        self._searched = time.monotonic()

    def _try(self, run: Path) -> None:
        try:
            self._open(run)
        except (ValueError, OSError) as error:  # the page goes on with the runs it has
            self.trouble[os.path.relpath(run, self._root)] = str(error)

    def _open(self, run: Path) -> None:
        key = os.path.relpath(run, self._root)
        follower = Follower(run)
        follower.look()
        import_plugins(follower.conf.get("plugins") or [])  # its networks may be theirs
        restore_network(follower.conf)
        self._followers[key] = follower


def run_dirs(path: Path) -> list[Path]:
    """The run directories at or below `path`. ValueError where there is none."""
    if not path.is_dir():
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        guess = f"; {nearest(path.name, siblings)}" if 0 < len(siblings) <= LISTED else ""
        raise ValueError(f"{path}: no such folder; expected a run directory, results/<space>/<run>, or a folder above some{guess}")
    found = below(path)
    if not found:
        raise ValueError(f"{path}: no run here or below; a run directory, results/<space>/<run>, has a {TRIALS}")
    return found


def below(path: Path) -> list[Path]:
    """Every folder at or under `path` with a log, by name; what lies inside a run is not looked through."""
    found = []
    for folder, inner, files in os.walk(path):
        if TRIALS in files:
            found.append(Path(folder))
            inner.clear()
        inner.sort()
    return found
