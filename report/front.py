"""The networks of a run against the baseline, and which of them no other beats.

A network is an architecture id: its trials under several seeds are averaged. Only networks trained equally far can be compared,
so the front is that of the furthest rung.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean, median, stdev

from evaluators.api import Measurements
from report.certainty import probabilities
from report.changes import Change, changes
from report.figures import figure
from report.run import Run, Trial
from search.objectives import Objective, point
from search.pareto import ranks
from search.steady import ratio_of
from space import Arch

INTERVAL = ("latency_low_ms", "latency_high_ms", "latency_level")
"""What one measurement says of its own certainty."""


@dataclass(frozen=True)
class Network:
    """An architecture as measured. `rank`: its place on the front, 1 is the best of the first objective; None off the front.
    `undominated`: the probability that it belongs there (report/certainty.py); None off the front, and where seeds do not tell.

    deviation: standard deviation over the seeds, by measurement (empty with one seed). gains: change against the baseline in
    percent, by measurement; positive is more, not better. beside: the baseline, where it is of the same network.
    """

    arch: Arch
    trials: tuple[int, ...]
    rung: int
    measurements: Measurements
    deviation: Mapping[str, float]
    gains: Mapping[str, float]
    beside: Arch | None
    rank: int | None = None
    undominated: float | None = None

    @property
    def id8(self) -> str:
        return self.arch.id[:8]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What the baseline has otherwise. Found when it is asked for: a page of thousands tells it of a few."""
        return changes(self.arch.arch, self.beside.arch) if self.beside else ()


@dataclass(frozen=True)
class Comparison:
    """All finished networks of a run; `front` in order of rank; `baseline` None where it was never measured."""

    goals: tuple[Objective, ...]
    rung: int
    baseline: Network | None
    networks: tuple[Network, ...]

    @property
    def sure(self) -> bool:
        """Whether it is known how sure the front is."""
        return any(network.undominated is not None for network in self.networks)

    @property
    def front(self) -> tuple[Network, ...]:
        return tuple(sorted((n for n in self.networks if n.rank is not None), key=lambda n: n.rank or 0))

    def better(self, name: str) -> str:
        """Which way measurement `name` is better, min or max: as the run's objectives say, else as such figures are read."""
        return next((goal.direction for goal in self.goals if goal.name == name), figure(name).better)


def compare(run: Run, *, chances: bool = True) -> Comparison:
    """Average, compare with the baseline, and find the front of the furthest rung. `chances`: and how sure each is to be on it,
    which takes seconds where there are thousands of networks."""
    done = [trial for trial in run.trials if trial.kind == "ok"]
    groups: dict[str, list[Trial]] = {}
    for trial in done:
        groups.setdefault(trial.arch.id, []).append(trial)
    zero = run.baseline
    if zero is not None:
        groups = {key: [steadied(trial, run) for trial in group] if key == zero.arch.id else group for key, group in groups.items()}
        zero = steadied(zero, run)
    reference = averaged(groups.get(zero.arch.id, [zero]))[0] if zero else {}
    networks = [_network(group, zero, reference) for group in groups.values()] if zero else []
    rung = max((network.rung for network in networks), default=0)
    ranked = _ranked(networks, run.goals, rung)
    equals = [network for network in ranked if network.rung == rung]
    sure = probabilities(equals, run.goals, {name for t in run.trials for name in t.rungs.get(0, {})}) if chances else {}
    told = tuple(replace(n, undominated=sure[n.arch.id]) if n.arch.id in sure else n for n in ranked)
    baseline = next((n for n in told if zero and n.arch.id == zero.arch.id), None)
    if baseline is None and zero is not None and zero.measurements:
        baseline = _network([zero], zero, reference)
    return Comparison(run.goals, rung, baseline, told)


def steadied(trial: Trial, run: Run) -> Trial:
    """A trial of the baseline with the latency that the whole run read: once beside every trial, so that one disturbed moment
    does not stand for it: what the others' latencies are told beside (run_of), so that figures and percentages agree. As it is
    where fewer than two trials were timed."""
    readings = [b for t in run.trials if isinstance(b := t.measurements.get("baseline_latency_ms"), int | float)]
    if len(readings) < 2 or "latency_ms" not in trial.measurements:
        return trial
    own = {name: value for name, value in trial.measurements.items() if name not in INTERVAL}
    return replace(trial, measurements={**own, "latency_ms": median(readings)})


def averaged(trials: Sequence[Trial]) -> tuple[dict[str, float | int | str | None], dict[str, float]]:
    """Means over the seeds that went furthest, and standard deviations where there are several; texts are those of the first."""
    furthest = [trial for trial in trials if trial.rung == max(t.rung for t in trials)]
    means: dict[str, float | int | str | None] = {}
    deviation = {}
    for name, first in furthest[0].measurements.items():
        values = [value for t in furthest if isinstance(value := t.measurements.get(name), int | float)]
        means[name] = fmean(values) if len(set(values)) > 1 else first
        if len(values) > 1:
            deviation[name] = stdev(values)
    return means, deviation


def gain(name: str, value: object, reference: Measurements, measurements: Measurements) -> float | None:
    """Change in percent. Latency's comes from the ratio read in turns with the baseline, where there is one: drift is not in it."""
    if isinstance(ratio := measurements.get(ratio_of(name)), int | float):
        return (ratio - 1) * 100
    base = reference.get(name) if figure(name).compared else None
    if not isinstance(value, int | float) or not isinstance(base, int | float) or not base:
        return None
    return (value / base - 1) * 100


def points_gain(name: str, network: Network, baseline: Network | None) -> float | None:
    """Change of a share in points (0.30 -> 0.32 is +2.0); None for what is no share."""
    value = network.measurements.get(name)
    base = baseline.measurements.get(name) if baseline else None
    known = figure(name).share and isinstance(value, int | float) and isinstance(base, int | float)
    return (value - base) * 100 if known else None


def _network(trials: Sequence[Trial], zero: Trial, reference: Measurements) -> Network:
    measurements, deviation = averaged(trials)
    gains = {name: g for name, value in measurements.items() if (g := gain(name, value, reference, measurements)) is not None}
    arch = trials[0].arch
    rung = max(trial.rung for trial in trials)
    furthest = tuple(trial.number for trial in trials if trial.rung == rung)
    beside = zero.arch if arch.network == zero.arch.network else None
    return Network(arch, furthest, rung, measurements, deviation, gains, beside)


def _ranked(networks: list[Network], goals: tuple[Objective, ...], rung: int) -> list[Network]:
    """The same networks; those on the front of `rung` with their place there."""
    valued = [(n, at) for n in networks if n.rung == rung and (at := point(n.measurements, goals)) is not None]
    levels = ranks([at for _, at in valued])
    members = sorted((at, n.trials[0], n.arch.id) for (n, at), level in zip(valued, levels, strict=True) if level == 0)
    places = {arch_id: place for place, (_, _, arch_id) in enumerate(members, start=1)}
    return [replace(n, rank=places[n.arch.id]) if n.arch.id in places else n for n in networks]
