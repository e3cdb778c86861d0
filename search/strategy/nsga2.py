"""NSGA-II, the default: an evolving population, sorted by Pareto rank and crowding. Source: Deb et al. 2002 (Optuna's)."""

from dataclasses import dataclass

from optuna.samplers import NSGAIISampler

from search.strategy import STRATEGIES
from search.strategy._optuna import OptunaStrategy


@STRATEGIES.register("nsga2")
@dataclass(frozen=True, kw_only=True)
class NSGA2(OptunaStrategy):
    population: int = 10  # finished trials to a generation; the first generation is random

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2:
            raise ValueError(f"search.population: {self.population} given; allowed: 2 or more")

    def sampler(self, seed: int) -> NSGAIISampler:
        return NSGAIISampler(population_size=self.population, seed=seed)
