"""The latencies of one process's trials: on each backend in turn, beside a baseline that is prepared once where that is costly."""

from collections.abc import Callable, Sequence

from torch import nn

from evaluators.api import Measurements
from evaluators.latency._paired import CannotRun, Paired, Ready, figure_name
from evaluators.turns import DeviceTurns
from space import Arch


class LatencyBench:
    """Every backend of a run with the turns on its device and the baseline as it runs there."""

    def __init__(self, latency: Paired, baseline: Callable[[], nn.Module], input_size: Sequence[int]):
        self.backends, self.input_size, self._baseline = latency.backends, input_size, baseline
        self._turns = {name: DeviceTurns(backend.resolved_device) for name, backend in self.backends.items()}
        self._ready: dict[str, Ready] = {}

    def foretold(self, name: str, arch: Arch, *, again: bool = False) -> Measurements | None:
        """What one backend says without measuring, under its own names; None where it measures. `again`: it does so if it can."""
        backend = self.backends[name]
        found = None if again and not backend.away else backend.foretold(arch)
        return found and {figure_name(name, key): value for key, value in found.items()}

    def measure(self, name: str, candidate: Callable[[], nn.Module]) -> dict[str, float | int | str | None]:
        """One backend's measurements under their own names. CannotRun where the candidate does not run on it."""
        backend, turns = self.backends[name], self._turns[name]
        with turns.training_step():  # building keeps a CPU busy too
            module = candidate()
        found = backend.measure(module, self._beside(name), self.input_size, turns)
        return {figure_name(name, key): value for key, value in found.items()}

    def _beside(self, name: str) -> nn.Module | Ready:
        backend = self.backends[name]
        if not backend.keeps:
            return self._baseline()
        if name not in self._ready:
            with backend.conditions(), self._turns[name].training_step():
                self._ready[name] = prepared_baseline(backend, self._baseline(), self.input_size)
        return self._ready[name]


def prepared_baseline(backend: Paired, baseline: nn.Module, input_size: Sequence[int]) -> Ready:
    """The baseline on a backend. Where it cannot run there, no other architecture has anything to be compared with: an error."""
    try:
        return backend.ready(baseline, input_size)
    except CannotRun as error:
        raise RuntimeError(f"latency: the baseline does not run on this backend: {error}") from error


def check_baseline(latency: Paired, baseline: Callable[[], nn.Module], input_size: Sequence[int]) -> None:
    """ValueError where a backend turns networks into another form and the baseline has none. What this machine lacks, the worker
    that measures may have: a backend that is not here is not tried."""
    for backend in latency.backends.values():
        try:
            backend.check_here()
        except ValueError:
            continue
        if backend.transforms:
            with backend.conditions(), DeviceTurns(backend.resolved_device).training_step():
                try:
                    prepared_baseline(backend, baseline(), input_size)
                except RuntimeError as error:
                    raise ValueError(f"{error}. Choose another one (latency=torch), or another baseline") from error
