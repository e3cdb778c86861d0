"""An ablation as the report sees it: plan.yaml says which arms were meant, the trials what became of them, search/effects.py how
sure the differences are. Only trainings of the furthest rung count."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from report.certain_change import Change, judged
from report.figures import figure
from report.run import Run, Trial
from search.effects import Effect, Ratio, Reading, paired, ratio_of

PLAN = "plan.yaml"
COSTS = ("params_m", "macs_g")
"""What an arm costs, in the order of the tables; other counted figures stand in ablation.csv."""
LATENCY = "latency_ms"


@dataclass(frozen=True)
class Network:
    """An architecture of the plan: what people call it, and its id."""

    name: str
    id: str


@dataclass(frozen=True)
class Arm(Network):
    """One line of the plan: what it changes, why changes move together, what it is compared with, its levels in a factorial."""

    changes: tuple[str, ...] = ()
    why: str = ""
    compared: str = ""
    levels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """plan.yaml. `factors`: name -> levels, of a factorial only; `left_out`: name and why of arms that cannot be built."""

    kind: str
    title: str
    reference: Network
    against: Network | None
    seeds: tuple[int, ...]
    level: float
    until: float | None
    arms: tuple[Arm, ...]
    factors: Mapping[str, tuple[str, ...]]
    resolution: str
    aliases: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def ordered(self) -> bool:
        """Whether the arms are steps: the table keeps their order and shows each against the step before and the reference."""
        return self.kind == "ladder"


@dataclass(frozen=True)
class Row:
    """An arm as measured. `changes` are against what it is compared with, `totals` (ladder only) against the reference, both by
    measurement; `verdict` is a word of report/certain_change.py, `told` the sentence behind it; `state` says what is missing."""

    arm: Arm
    seeds: tuple[int, ...]
    means: Mapping[str, float]
    changes: Mapping[str, Change]
    totals: Mapping[str, Change]
    verdict: str
    told: str
    state: str = ""


@dataclass(frozen=True)
class Ablation:
    """The whole of it. `goal`: the trained objective that decides, None where nothing trained is an objective; `trained`: every
    measurement of a training; `reference` holds the reference's own means."""

    plan: Plan
    goal: str | None
    better: Mapping[str, str]
    trained: tuple[str, ...]
    counted: tuple[str, ...]
    reference: Row
    rows: tuple[Row, ...]
    values: Mapping[str, Mapping[str, Mapping[int, float]]]  # measurement -> arch id -> seed -> value

    @property
    def shown(self) -> tuple[Row, ...]:
        """In the order of the table: a ladder's own, else by effect, the best first and those that are not known last."""
        return self.rows if self.plan.ordered else tuple(sorted(self.rows, key=self._merit))

    @property
    def columns(self) -> tuple[str, ...]:
        """The measurements of the table: what decides, the other trained objectives, latency, the costs."""
        known = {name for row in self.rows for name in row.changes} | set(self.reference.means)
        wanted = [self.goal, *(name for name in self.better if name in self.trained), LATENCY, *COSTS, *self.better]
        return tuple(name for name in dict.fromkeys(wanted) if name in known)

    def _merit(self, row: Row) -> float:
        name = self.goal or next(iter(self.better))
        change = row.changes.get(name)
        if change is None or change.absolute is None:
            return math.inf
        return -change.absolute if self.better.get(name) == "max" else change.absolute


def read_plan(directory: Path) -> Plan | None:
    """The plan of a run; None where it is no ablation. ValueError names what the file lacks."""
    path = directory / PLAN
    if not path.is_file():
        return None
    given = yaml.safe_load(path.read_text())
    if not isinstance(given, Mapping):
        raise ValueError(f"{path}: expected a mapping with plan, reference and arms; given {type(given).__name__}")
    missing = [key for key in ("plan", "reference", "arms") if given.get(key) is None]
    if missing:
        raise ValueError(f"{path}: {', '.join(missing)} missing; the run's next start writes the file again")
    return Plan(
        kind=given["plan"],
        title=given.get("title") or given["plan"].replace("_", " "),
        reference=_network(given["reference"]),
        against=_network(given["against"]) if given.get("against") else None,
        seeds=tuple(given.get("seeds") or (0,)),
        level=given.get("level") or 0.95,
        until=given.get("until"),
        arms=tuple(_arm(arm, given["reference"]["id"]) for arm in given["arms"]),
        factors={factor["name"]: tuple(map(str, factor["levels"])) for factor in given.get("factors") or ()},
        resolution=str(given.get("resolution") or ""),
        aliases=tuple(given.get("aliases") or ()),
        left_out=tuple((entry["name"], entry.get("why", "")) for entry in given.get("left_out") or ()),
    )


def ablation_of(run: Run) -> Ablation | None:
    """What the trials say of the plan's arms; None where the run has no plan."""
    plan = read_plan(run.directory)
    if plan is None:
        return None
    ids = {plan.reference.id, *(arm.id for arm in plan.arms)}
    mine = [trial for trial in run.trials if trial.arch.id in ids]
    last = max((trial.rung for trial in mine if trial.kind == "ok"), default=0)
    done = [trial for trial in mine if trial.kind in ("ok", "measured") and trial.rung == last]
    free = {name for trial in run.trials for name in trial.rungs.get(0, {})}
    trained = tuple(dict.fromkeys(name for t in done for name in t.measurements if name not in free and _numeric(t, name)))
    values = {name: _by_seed(done, name) for name in trained}
    better = {goal.name: goal.direction for goal in run.goals}
    goal = next((goal.name for goal in run.goals if goal.name in trained), None)
    costs = _costs(mine)
    counted = tuple(dict.fromkeys(n for own in costs.values() for n in own if not n.startswith(("latency", "baseline"))))
    family = {name: paired(values[name], _pairs(plan, plan.reference.id, step=True), plan.level) for name in trained}
    total = {name: paired(values[name], _pairs(plan, plan.reference.id, step=False), plan.level) for name in trained}
    found = Ablation(plan, goal, better, trained, counted, _reference(plan, values, costs, goal), (), values)
    judge = _Judge(run, found, mine, costs)
    rows = tuple(judge.row(arm, family, total) for arm in plan.arms)
    return Ablation(plan, goal, better, trained, counted, found.reference, rows, values)


@dataclass(frozen=True)
class _Judge:
    """What is needed to write an arm's row."""

    run: Run
    found: Ablation
    trials: Sequence[Trial]
    costs: Mapping[str, Mapping[str, float]]

    def row(self, arm: Arm, family: Mapping[str, Any], total: Mapping[str, Any]) -> Row:
        plan, goal = self.found.plan, self.found.goal
        changes = self._changes(arm.id, arm.compared, family)
        totals = self._changes(arm.id, plan.reference.id, total) if plan.ordered else {}
        seeds = tuple(sorted(self.found.values.get(goal, {}).get(arm.id, {}))) if goal else ()
        verdict, told = judged(changes, goal, self.found.better, level=plan.level, until=plan.until, family=len(plan.arms))
        means = _means(self.found.values, self.costs, arm.id)
        return Row(arm, seeds, means, changes, totals, verdict, told, self._state(arm))

    def _changes(self, arm: str, compared: str, effects: Mapping[str, Mapping[tuple[str, str], Effect]]) -> dict[str, Change]:
        found = {}
        for name in self.found.trained:
            effect = effects[name][arm, compared]
            base = [self.found.values[name][compared][seed] for seed in self._shared(name, arm, compared)]
            if effect.mean is not None:
                found[name] = Change.trained(name, effect, fmean(base))
        own, other = self.costs.get(arm, {}), self.costs.get(compared, {})
        for name in self.found.counted:
            if name in own and name in other:
                found[name] = Change.counted(name, own[name], other[name])
        latency = self._latency(arm, compared)
        return found | ({LATENCY: latency} if latency else {})

    def _shared(self, name: str, arm: str, compared: str) -> list[int]:
        values = self.found.values[name]
        return sorted(set(values.get(arm, {})) & set(values.get(compared, {})))

    def _latency(self, arm: str, compared: str) -> Change | None:
        zero = self.run.baseline.arch.id if self.run.baseline else ""
        own, other = (list(self._readings(key)) for key in (arm, compared))
        base = self.costs.get(compared, {}).get(LATENCY)
        if own and (other or compared == zero):
            return Change.timed(ratio_of(own, [] if compared == zero else other, self.found.plan.level), base)
        ms = self.costs.get(arm, {}).get(LATENCY)
        if ms is None or not base:
            return None
        return Change.timed(Ratio(ms / base), base)  # as a table recorded it

    def _readings(self, arch: str) -> Iterator[Reading]:
        for trial in self.trials:
            ratio = trial.measurements.get("latency_ratio")
            if trial.arch.id == arch and isinstance(ratio, int | float) and ratio > 0:
                ends = (trial.measurements.get(name) for name in ("latency_ratio_low", "latency_ratio_high", "latency_level"))
                yield Reading(ratio, *(end if isinstance(end, int | float) else None for end in ends))

    def _state(self, arm: Arm) -> str:
        """What is missing of an arm, in words; '' where nothing is."""
        own = [trial for trial in self.trials if trial.arch.id == arm.id]
        told = [f"seed {t.seed} {_ENDS[t.kind]}: {t.reason}".rstrip(": ") for t in own if t.kind in _ENDS]
        goal = self.found.goal
        have, base = (set(self.found.values.get(goal or "", {}).get(key, {})) for key in (arm.id, arm.compared))
        if unpaired := sorted(have - base):
            told.append(f"seed {', '.join(map(str, unpaired))} left out: what it is compared with was not trained under it")
        if not own:
            told.append("not asked yet")
        return "; ".join(told)


_ENDS = {"failed": "failed", "infeasible": "is over a limit", "open": "is still running"}


def _pairs(plan: Plan, reference: str, *, step: bool) -> list[tuple[str, str]]:
    return list(dict.fromkeys((arm.id, arm.compared if step else reference) for arm in plan.arms))


def _numeric(trial: Trial, name: str) -> bool:
    value = trial.measurements.get(name)
    return isinstance(value, int | float) and not isinstance(value, bool) and figure(name).compared


def _by_seed(trials: Sequence[Trial], name: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for trial in trials:
        if _numeric(trial, name):
            found.setdefault(trial.arch.id, {})[trial.seed] = float(trial.measurements[name])
    return found


def _costs(trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """What rung 0 says of each architecture, by the mean over its trials: counted figures are the same in all of them."""
    found: dict[str, dict[str, list[float]]] = {}
    for trial in trials:
        for name in trial.rungs.get(0, {}):
            if _numeric(trial, name):
                found.setdefault(trial.arch.id, {}).setdefault(name, []).append(trial.measurements[name])
    return {key: {n: v[0] if len(set(v)) == 1 else fmean(v) for n, v in own.items()} for key, own in found.items()}


def _means(values: Mapping, costs: Mapping, arch: str) -> dict[str, float]:
    return dict(costs.get(arch, {})) | {name: fmean(own[arch].values()) for name, own in values.items() if own.get(arch)}


def _reference(plan: Plan, values: Mapping, costs: Mapping, goal: str | None) -> Row:
    seeds = tuple(sorted(values.get(goal, {}).get(plan.reference.id, {}))) if goal else ()
    arm = Arm(plan.reference.name, plan.reference.id)
    return Row(arm, seeds, _means(values, costs, plan.reference.id), {}, {}, "reference", "what the arms are compared with")


def _network(given: Mapping[str, Any]) -> Network:
    return Network(str(given.get("name") or given["id"][:8]), given["id"])


def _arm(given: Mapping[str, Any], reference: str) -> Arm:
    levels = {name: str(level) for name, level in (given.get("levels") or {}).items()}
    compared = given.get("compared") or reference
    return Arm(given["name"], given["id"], tuple(given.get("changes") or ()), given.get("why") or "", compared, levels)
