"""Optuna's samplers as strategies. The study is rebuilt from the records at every ask; nothing is kept beside the log.

Optuna sees one flat, fixed space: each hole with more than one option is a parameter, its value the option's index. A hole that an
architecture does not use takes an index seeded by the arch id, and is dropped again by `space.fill`.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._ga import BaseGASampler
from optuna.trial import FrozenTrial, TrialState

from search.objectives import point
from search.records import Record, Records
from search.strategy import Strategy
from space import Arch, RuleError, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)  # one line for each trial otherwise; the run has its own progress


@dataclass(frozen=True, kw_only=True)
class OptunaStrategy(Strategy):
    """Subclasses build the sampler. `asks` bounds how often a sampler that repeats itself or breaks a rule is asked again."""

    asks: ClassVar[int] = 20

    def sampler(self, seed: int) -> BaseSampler:
        raise NotImplementedError

    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        grid = distributions(space)
        study = self.study(space, records, rng.getrandbits(32))
        arch = self.unseen(suggestions(study, space, grid, self.asks), records) if grid else None
        return arch or self.neighbour(space, records, rng) or self.drawn(space, records, rng)

    def study(self, space: Space, records: Records, seed: int) -> optuna.Study:
        """The study as a live one would stand after these records: ended trials as they ended, then those that run."""
        directions = ["minimize"] * len(self.goals)  # points are all to be minimised
        sampler = self.sampler(seed)
        study = optuna.create_study(directions=directions, sampler=sampler)
        finished = 0
        for record in (*records.ended, *records.running):
            if record.number == 0 and not space.baseline_inside:
                continue  # a narrowed space may leave its baseline outside: compared with, not learnt from
            trial = self.trial(space, record)
            if trial.state == TrialState.COMPLETE and isinstance(sampler, BaseGASampler):
                generation = finished // sampler.population_size
                trial.system_attrs[sampler._get_generation_key()] = generation
                finished += 1
            study.add_trial(trial)
        return study

    def trial(self, space: Space, record: Record) -> FrozenTrial:
        at = point(record.measurements, self.goals) if record.ok else None
        state = TrialState.COMPLETE if at is not None else TrialState.RUNNING if record.running else TrialState.FAIL
        if record.infeasible:
            state = TrialState.PRUNED  # with how far it is over a limit: TPE learns from that, the others pass it over
        return optuna.trial.create_trial(
            state=state,
            values=at,
            params=indices(space, record.proposal.arch),
            distributions=distributions(space),
            system_attrs={"constraints": self.excess(record)} if self.limits and not record.running else {},
        )

    def excess(self, record: Record) -> list[float]:
        """How far each limited measurement is over its limit, as a share of it: above 0 is infeasible."""
        readings = [(record.measurements.get(name), limit) for name, limit in self.limits.items()]
        return [float(value) / limit - 1 if isinstance(value, int | float) and limit else 0.0 for value, limit in readings]


def suggestions(study: optuna.Study, space: Space, grid: dict[str, BaseDistribution], asks: int) -> Iterator[Arch]:
    """What the sampler proposes, rule-breakers left out; each suggestion is closed as failed, so that the next one differs."""
    options = {hole.name: hole.options for hole in space.holes()}
    for _ in range(asks):
        trial = study.ask(grid)
        values = {name: choices[trial.params.get(name, 0)] for name, choices in options.items()}
        with suppress(RuleError):
            yield space.fill(values)
        study.tell(trial, state=TrialState.FAIL)


@lru_cache(maxsize=8)
def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The flat space. Numbers in ascending order keep their order; names and lists are categories."""
    return {hole.name: distribution(hole.options) for hole in space.holes() if len(hole.options) > 1}


def distribution(options: tuple[Any, ...]) -> BaseDistribution:
    if all(isinstance(option, int | float) for option in options) and list(options) == sorted(options):
        return IntDistribution(0, len(options) - 1)
    return CategoricalDistribution(range(len(options)))


@lru_cache(maxsize=4096)
def indices(space: Space, arch: Arch) -> dict[str, int]:
    """Each hole's index in an architecture; where the hole is closed in it, an index seeded by the arch id."""
    chosen = space.choices(arch)
    found = {}
    for hole in space.holes():
        if len(hole.options) > 1:
            seeded = random.Random(f"{arch.id}/{hole.name}").randrange(len(hole.options))
            found[hole.name] = hole.options.index(chosen[hole.name]) if hole.name in chosen else seeded
    return found
