"""NSGA-III: as NSGA-II, but spread over reference directions; for three objectives and more. Source: Deb & Jain 2014 (Optuna's)."""

import random
import warnings
from dataclasses import dataclass

from optuna import Study
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import NSGAIIISampler
from optuna.trial import FrozenTrial

from search.strategy import STRATEGIES
from search.strategy._optuna import OptunaStrategy


@STRATEGIES.register("nsga3")
@dataclass(frozen=True, kw_only=True)
class NSGA3(OptunaStrategy):
    population: int = 4  # finished trials to a generation; the first generation is random

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2:
            raise ValueError(f"search.population: {self.population} given; allowed: 2 or more")

    def sampler(self, seed: int) -> NSGAIIISampler:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # "the interface can change": our dependency range is bounded
            return SeededNSGAIII(population_size=self.population, seed=seed)


class SeededNSGAIII(NSGAIIISampler):
    """Its selection draws at random: seeded by the generation, so that a rebuilt study selects the parents that a live one did."""

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        state = self._rng.rng.get_state()
        self._rng.rng.seed(random.Random(f"parents/{generation}").getrandbits(32))
        parents = super().select_parent(study, generation)
        self._rng.rng.set_state(state)
        return sorted(parents, key=lambda trial: trial.number)  # as they are found in its cache later
