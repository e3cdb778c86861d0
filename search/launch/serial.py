"""Trials one after another in this process: for debugging, and the shortest form of the main loop."""

from dataclasses import dataclass

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
    def run(self, space: Space, strategy: Strategy, evaluate: Evaluate, log: Log, *, progress: Progress) -> str:
        """Why the run is over."""
        with progress:
            driver = Driver(space, strategy, log, progress=progress)
            while (record := driver.next()) is not None:
                for event in steps(evaluate, driver.job(record)):
                    driver.tell(record.number, event)
            return driver.finish()
