"""Trials one after another in this process: for debugging, and the shortest form of the main loop."""

import signal
import threading
from dataclasses import dataclass
from types import FrameType, TracebackType

from evaluators.api import Evaluate
from search.launch import LAUNCHERS
from search.launch.driver import Driver, steps
from search.progress import Progress
from search.records import Log
from search.strategy import Strategy
from space import Space


@LAUNCHERS.register("serial")
@dataclass(frozen=True)
class Serial:
    workers_per_trial: int = 1

    def __post_init__(self) -> None:
        if self.workers_per_trial < 1:
            raise ValueError(f"launch.workers_per_trial: {self.workers_per_trial} given; allowed: 1 or more")

    @property
    def processes(self) -> int:
        """That train one trial together."""
        return self.workers_per_trial

    def run(self, space: Space, strategy: Strategy, evaluate: Evaluate, log: Log, *, progress: Progress) -> str:
        """Why the run is over."""
        with progress, Interrupt() as interrupt:
            driver = Driver(space, strategy, log, progress=progress)
            while (record := driver.next()) is not None:
                for event in steps(evaluate, driver.job(record)):
                    driver.tell(record.number, event)
                    interrupt.heed()
            return driver.finish()


class Interrupt:
    """Ctrl-C that cannot get lost. Python drops a KeyboardInterrupt that is raised inside a finalizer; this remembers it."""

    def __init__(self) -> None:
        self.seen = False

    def __enter__(self) -> "Interrupt":
        self._main = threading.current_thread() is threading.main_thread()  # only there may a handler be set
        self._before = signal.signal(signal.SIGINT, self._take) if self._main else None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def heed(self) -> None:
        """Raise the interrupt that was taken, if it did not arrive by itself."""
        if self.seen:
            raise KeyboardInterrupt

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.seen = True
        raise KeyboardInterrupt
