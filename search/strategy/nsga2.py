"""NSGA-II, the default: an evolving population, sorted by Pareto rank and crowding. Source: Deb et al. 2002 (Optuna's)."""

from dataclasses import dataclass

from optuna import Study
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial

from search.strategy import STRATEGIES
from search.strategy._optuna import OptunaStrategy


@STRATEGIES.register("nsga2")
@dataclass(frozen=True, kw_only=True)
class NSGA2(OptunaStrategy):
    population: int = 4  # finished trials to a generation; the first generation is random

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.population < 2:
            raise ValueError(f"search.population: {self.population} given; allowed: 2 or more")

    def sampler(self, seed: int) -> NSGAIISampler:
        return OrderedNSGAII(population_size=self.population, seed=seed)


class OrderedNSGAII(NSGAIISampler):
    """Parents in the order of their numbers: Optuna's are so only from a generation's second ask on, when it finds them cached."""

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)
