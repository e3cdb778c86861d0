"""Optuna's samplers as strategies. The study is made from the records; nothing is kept beside the log.

Optuna sees one flat, fixed space: each hole with more than one option is a parameter, its value the option's index. A hole that an
architecture does not use takes an index seeded by the arch id, and is dropped again by `space.fill`.
"""

import random
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any, ClassVar

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._ga import BaseGASampler
from optuna.trial import FrozenTrial, TrialState

from search.objectives import Objective, point
from search.pareto import best_first
from search.records import Record, Records
from search.strategy import Strategy
from space import Arch, RuleError, Space

optuna.logging.set_verbosity(optuna.logging.WARNING)  # one line for each trial otherwise; the run has its own progress


@dataclass(frozen=True, kw_only=True)
class OptunaStrategy(Strategy):
    """Subclasses build the sampler. For one member it is asked `asks` times at most, as it may break a rule, and `repeats` of its
    suggestions may be members that were asked before: one that has found its best goes on to suggest it."""

    asks: ClassVar[int] = 20
    repeats: ClassVar[int] = 20

    def sampler(self, seed: int) -> BaseSampler:
        raise NotImplementedError

    def member(self, space: Space, records: Records, rng: random.Random) -> Arch | None:
        grid = distributions(space)
        study = self.study(space, records, rng.getrandbits(32))
        suggested = islice(suggestions(study, space, grid, self.asks, rng), self.repeats)
        arch = self.unseen(suggested, records) if grid else None
        return arch or self.neighbour(space, records, rng) or self.drawn(space, records, rng)

    def study(self, space: Space, records: Records, seed: int) -> optuna.Study:
        """The study as a live one would stand after these records: ended trials as they ended, then those that run. Evolution,
        which passes over what runs, goes on with the study of the ask before."""
        sampler = self.sampler(seed)
        if isinstance(sampler, BaseGASampler):
            return followed(self, space, records, sampler)
        study = empty_study(self.goals, sampler)
        for record in (*self.remembered(records), *records.running):
            if self.learns_from(space, record):
                study.add_trial(self.trial(space, record))
        return study

    def remembered(self, records: Records) -> Sequence[Record]:
        """The ended trials that a rebuilt study has, in the order in which they ended."""
        return records.ended

    def learns_from(self, space: Space, record: Record) -> bool:
        """A narrowed space may leave its baseline outside: compared with, not learnt from."""
        return record.number > 0 or space.baseline_inside

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


@dataclass(frozen=True, kw_only=True)
class ModelStrategy(OptunaStrategy):
    """A model of the trials is made at each ask, which takes the longer the more there are: so it forgets."""

    startup: int = 10  # random trials before the model
    remember: int | None = 300  # trials that it learns from: half of them the newest, half the best of the others; null: all

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.remember is not None and self.remember < max(2, self.startup):
            least = f"{max(2, self.startup)} or more (search.startup is {self.startup})"
            raise ValueError(f"search.remember: {self.remember} given; allowed: null, or {least}")

    def remembered(self, records: Records) -> Sequence[Record]:
        ended = records.ended
        if self.remember is None or len(ended) <= self.remember:
            return ended
        older, newest = ended[: -(self.remember // 2)], ended[-(self.remember // 2) :]
        points = [(place, at) for place, r in enumerate(older) if r.ok and (at := point(r.measurements, self.goals)) is not None]
        best = best_first([at for _, at in points])[: self.remember - len(newest)]
        return [*(older[place] for place in sorted(points[n][0] for n in best)), *newest]


def empty_study(goals: tuple[Objective, ...], sampler: BaseSampler) -> optuna.Study:
    return optuna.create_study(directions=["minimize"] * len(goals), sampler=sampler)  # points are all to be minimised


class Generations:
    """A study of an evolving population that follows a log: the k-th finished trial is of generation k // population, and each
    generation's parents are chosen once. Suggestions that were asked of it stay in it as failed, and are passed over."""

    def __init__(self, strategy: "OptunaStrategy", space: Space, sampler: BaseGASampler):
        self.strategy, self.space = strategy, space
        self.study = empty_study(strategy.goals, sampler)
        self._taken: list[Record] = []
        self._finished = 0

    def follow(self, ended: Sequence[Record], sampler: BaseGASampler) -> bool:
        """Take in what ended since; False where this is another log."""
        if len(ended) < len(self._taken) or (self._taken and ended[len(self._taken) - 1] is not self._taken[-1]):
            return False
        sampler._search_space = self.study.sampler._search_space  # what all trials share: it would read all of them again
        self.study.sampler = sampler
        for record in ended[len(self._taken) :]:
            self._take(record, sampler)
            self._taken.append(record)
        return True

    def _take(self, record: Record, sampler: BaseGASampler) -> None:
        if not self.strategy.learns_from(self.space, record):
            return
        trial = self.strategy.trial(self.space, record)
        if trial.state == TrialState.COMPLETE:
            generation, place = divmod(self._finished, sampler.population_size)
            if generation and not place:
                self.study._thread_local.cached_all_trials = None  # kept for one ask; these were added since
                sampler.get_parent_population(self.study, generation)  # now: asked later, Optuna would recurse through all of them
            trial.system_attrs[sampler._get_generation_key()] = generation
            self._finished += 1
        self.study.add_trial(trial)


_followed: list[Generations] = []


def followed(strategy: "OptunaStrategy", space: Space, records: Records, sampler: BaseGASampler) -> optuna.Study:
    """The study of these records: one that has followed their log so far, else a new one."""
    for place, known in enumerate(_followed):
        if known.strategy == strategy and known.space is space and known.follow(records.ended, sampler):
            _followed.insert(0, _followed.pop(place))
            return known.study
    made = Generations(strategy, space, sampler)
    made.follow(records.ended, sampler)
    _followed.insert(0, made)
    del _followed[4:]
    return made.study


def suggestions(
    study: optuna.Study, space: Space, grid: dict[str, BaseDistribution], asks: int, rng: random.Random
) -> Iterator[Arch]:
    """What the sampler proposes, rule-breakers left out; each suggestion is closed as failed, so that the next one differs."""
    options = {hole.name: hole.options for hole in space.holes()}
    for _ in range(asks):
        trial = study.ask(grid)
        values = {name: choices[trial.params.get(name, 0)] for name, choices in options.items()}
        with suppress(RuleError):
            yield space.nearest(values, rng)
        study.tell(trial, state=TrialState.FAIL)


@lru_cache(maxsize=8)
def distributions(space: Space) -> dict[str, BaseDistribution]:
    """The flat space. Numbers in ascending order keep their order; names and lists are categories."""
    return {hole.name: distribution(hole.options) for hole in space.holes() if len(hole.options) > 1}


def distribution(options: tuple[Any, ...]) -> BaseDistribution:
    if all(isinstance(option, int | float) for option in options) and list(options) == sorted(options):
        return Numbers(0, len(options) - 1)
    return Words(range(len(options)))


class Shared(BaseDistribution):
    """A hole's distribution, one for all trials: Optuna would copy each trial's hundred of them, most of the time that a study of
    thousands takes to be made."""

    def __deepcopy__(self, memo: dict) -> "Shared":
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or super().__eq__(other)

    __hash__ = BaseDistribution.__hash__


class Numbers(Shared, IntDistribution):
    """In their order."""


class Words(Shared, CategoricalDistribution):
    """In none."""


@lru_cache(maxsize=4096)
def indices(space: Space, arch: Arch) -> dict[str, int]:
    """Each hole's index in an architecture; where the hole is closed in it, an index seeded by the arch id."""
    chosen = space.choices(arch)
    found = {}
    for hole in space.holes():
        if len(hole.options) > 1 and hole.name in chosen:
            found[hole.name] = hole.options.index(chosen[hole.name])
        elif len(hole.options) > 1:
            found[hole.name] = random.Random(f"{arch.id}/{hole.name}").randrange(len(hole.options))
    return found
