"""Gaussian processes with expected hypervolume improvement (Optuna's). Few trials, long trainings: asking itself takes seconds.

Each ask's time is in the log (`ask_s`). Once asking takes a quarter of a training it warns; where it takes longer than a training
it refuses, because `tpe` would have trained more members in the same time.
"""

import logging
import random
from dataclasses import dataclass
from statistics import median
from typing import ClassVar

from optuna.samplers import GPSampler

from search.records import Proposal, Record, Records
from search.strategy import STRATEGIES
from search.strategy._optuna import ModelStrategy
from space import Space

RECENT = 5  # asks whose median is compared with a training
logger = logging.getLogger(__name__)


@STRATEGIES.register("gp")
@dataclass(frozen=True, kw_only=True)
class GP(ModelStrategy):
    remember: int | None = 100

    asks: ClassVar[int] = 3  # each is a fit

    def sampler(self, seed: int) -> GPSampler:
        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)

    def ask(self, space: Space, records: Records, rng: random.Random) -> Proposal | None:
        share = asking_share(records)
        if share is not None and share > 1:
            raise ValueError(
                f"search=gp: asking takes {share:.1f} times as long as a training (medians of the log); "
                "use search=tpe, which asks in a fraction of the time, with run=<another name>"
            )
        if share is not None and share > 0.25 and (asking_share(records[:-1]) or 0) <= 0.25:
            logger.warning(
                "search=gp: asking takes %.0f %% of a training's time, and grows with the trials; consider search=tpe", 100 * share
            )
        return super().ask(space, records, rng)


def asking_share(records: Records | tuple[Record, ...]) -> float | None:
    """Median time of the last asks over the median training time; None before there are enough of both."""
    asking = [record.ask_s for record in records][-RECENT:]
    trainings = [seconds for record in records if (seconds := training_s(record)) > 0]
    return median(asking) / median(trainings) if len(asking) == RECENT and trainings else None


def training_s(record: Record) -> float:
    """Seconds spent training a trial, up to its last rung (`train_s` counts from the trial's beginning)."""
    reading = record.measurements.get("train_s") if record.ok else None
    return float(reading) if isinstance(reading, int | float) else 0.0
