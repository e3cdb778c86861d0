"""TPE: densities of good and of other trials, the quotient sampled. Trials that run count as poor until they end, which keeps
parallel workers apart. Source: Bergstra et al. 2011; several objectives, Ozaki et al. 2022 (Optuna's)."""

from dataclasses import dataclass
from typing import ClassVar

from optuna.samplers import TPESampler

from search.strategy import STRATEGIES
from search.strategy._optuna import ModelStrategy


@STRATEGIES.register("tpe")
@dataclass(frozen=True, kw_only=True)
class TPE(ModelStrategy):
    repeats: ClassVar[int] = 3  # each makes the densities of every hole anew

    def sampler(self, seed: int) -> TPESampler:
        return TPESampler(seed=seed, n_startup_trials=self.startup)
