"""Costs that were computed once, found again by any later run."""

import hashlib
import importlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

import evaluators.cost as cost
from space import Arch

SOURCES = ("blocks", "space.networks", "evaluators.cost")
LIBRARIES = ("torch", "timm", "fvcore", "ptflops")


class CostCache:
    """A file of costs, one JSON object a line, that several processes may read and extend at once.

    A cost is found by the arch's id, the input size, the classes and a fingerprint of the code that computed it: the sources of
    blocks, networks and counters, of the `plugins` (modules that add some), and the versions of the libraries.
    """

    def __init__(self, path: Path, *, plugins: Sequence[str] = ()):
        self.path = path
        self.plugins = tuple(plugins)
        self._costs: dict[str, dict[str, float | None]] = {}
        self._read = 0  # bytes of the file already in _costs

    def measure(self, arch: Arch, *, input_size: Sequence[int], classes: int) -> dict[str, float | None]:
        """`measure_cost`, computed only where the file does not have it yet."""
        key = f"{arch.id}/{'x'.join(map(str, input_size))}/{classes}/{self.fingerprint}"
        if key not in self._costs:
            self._refresh()
        if key not in self._costs:
            self._append(key, cost.measure_cost(arch, input_size=input_size, classes=classes))
        return dict(self._costs[key])

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits of everything that a cost depends on beside the arch."""
        digest = hashlib.sha1(" ".join(f"{name} {version(name)}" for name in LIBRARIES).encode())
        for name in (*SOURCES, *self.plugins):
            for file in _files(name):
                digest.update(file.read_bytes())
        return digest.hexdigest()[:12]

    def _refresh(self) -> None:
        """Read the lines that were added since the last time. A last line that is still torn is left for the next time."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        for line in whole.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue  # torn by a process that was killed; its cost is computed again
            self._costs[entry["key"]] = entry["cost"]
        self._read += len(whole) + 1 if whole else 0

    def _append(self, key: str, measured: dict[str, float | None]) -> None:
        self._costs[key] = measured
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"key": key, "cost": measured}).encode() + b"\n"
        with FileLock(f"{self.path}.lock"), self.path.open("ab+") as file:
            size = file.seek(0, 2)
            if size:
                file.seek(size - 1)
                line = line if file.read(1) == b"\n" else b"\n" + line  # a killed process left half a line
            file.write(line)


def _files(name: str) -> Iterator[Path]:
    """The sources of a module, or of a package and all below it, in a fixed order."""
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        yield from sorted(file for folder in module.__path__ for file in Path(folder).rglob("*.py"))
    elif module.__file__:
        yield Path(module.__file__)
