"""Hypervolume over budget of every strategy on a recorded table, beside Optuna's own samplers and Syne Tune's MOASHA.

    python benchmarks/strategies.py --table nasbench201 --file nasbench201_cifar10.csv.gz [--latency latency_raspi4_ms]
        [--strategies paredown,mutate,optuna-tpe] [--skip gp,optuna-gp] [--seeds 20] [--budgets 25 50 100] [--workers 1]
        [--jobs 2] [--one-rung] [--picture curves.png]

Shares of the true front's hypervolume (median and quartiles over seeds); budgets in full trainings, a shorter one charged by
its epochs. A search learns from one recorded training of each member; it is judged by the mean over all recorded seeds, and only
members trained to the last rung count. Strategies know their budget: each budget is a run of its own, without a baseline first.
Optuna trains each new suggestion in full, and pays nothing for one that it repeats. Syne Tune's rungs are the table's. Where these
two suggest what a partial sample does not hold, the member nearest to it is trained.
"""

import argparse
import random
import statistics
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from rich.console import Console
from rich.progress import track
from rich.table import Table as Printed

from config import compose, typed
from evaluators.api import Job, Measurements, RungResult
from evaluators.table import RecordedTrainings, Table, load_table
from evaluators.tables.mapping import TableConf
from registry import nearest
from search.objectives import objectives, point
from search.pareto import Point, hypervolume
from search.replay import replay
from search.strategy import STRATEGIES
from search.strategy._optuna import distributions
from search.surrogate.outlook import worst
from space import Arch

COST = "latency_ms"
PEERS = ("optuna-nsga2", "optuna-tpe", "optuna-gp", "syne-tune-moasha")
WORST = {"nasbench201": 80.0}  # worst scores that count, as comparisons on that table have them
REPEATS = 4  # asks for each training that a budget pays, of samplers that repeat themselves

Spending = list[tuple[float, Arch]]
"""(charge in full trainings, member) of each member trained to the last rung, in the order of the charge."""


@dataclass(frozen=True)
class Bench:
    """What all searches are run on and judged by."""

    name: str
    conf: TableConf
    reference: float | None  # the metric's; None: the worst member's that is no outlier

    @property
    def table(self) -> Table:
        return load_table(self.name, self.conf)

    @property
    def evaluate(self) -> RecordedTrainings:
        return RecordedTrainings(self.name, self.conf)

    @property
    def objectives(self) -> dict[str, str]:
        return {**self.conf.metric, COST: "min"}

    def measured(self, arch: Arch, seed: int, rung: int) -> Measurements:
        """All that one recorded training to a rung tells; without the metric where there is none."""
        events = self.evaluate(Job(arch, seed, rung, Path()))
        return {key: value for event in events if isinstance(event, RungResult) for key, value in event.measurements.items()}


@dataclass(frozen=True)
class Truth:
    """The members as they are, and the hypervolume that there is to be had."""

    points: dict[tuple[Any, ...], Point]  # by choices; to be minimised
    reference: Point
    whole: float

    @classmethod
    def of(cls, bench: Bench) -> "Truth":
        goals = objectives(bench.objectives)
        rows, scores = bench.table.rows.by_key, bench.table.scores(len(bench.conf.rungs))
        measured = {key: {**rows[key].measurements, bench.conf.metric_name: score} for key, score in scores.items()}
        points = {key: at for key, found in measured.items() if (at := point(found, goals)) is not None}
        costs = [row.measurements[COST] for row in rows.values() if row.measurements[COST] is not None]
        least = worst(np.array([at[0] for at in points.values()])) if bench.reference is None else goals[0].sign * bench.reference
        reference = (least, float(np.percentile(costs, 95)))
        whole = hypervolume(undominated(points.values()), reference)
        if not whole:
            said = f"{goals[0].sign * least:g} {'taken' if bench.reference is None else 'given'}"
            raise ValueError(f"--reference: {said}; no member is better and has a cost below {reference[1]:.4g}")
        return cls(points, reference, whole)

    def share(self, arches: Sequence[Arch]) -> float:
        """The part of the whole that these members reach."""
        points = [at for arch in arches if (at := self.points.get(tuple(arch.arch.values()))) is not None]
        return hypervolume(undominated(points), self.reference) / self.whole


def undominated(points: Any) -> list[Point]:
    """The front of points with two objectives."""
    front: list[Point] = []
    for at in sorted(set(points), key=lambda at: (at[1], at[0])):
        if not front or at[0] < front[-1][0]:
            front.append(at)
    return front


def within(spending: Spending, budget: float) -> list[Arch]:
    """The members that were paid for by then."""
    return [arch for charge, arch in spending if charge <= budget * (1 + 1e-9)]


_truths: dict[str, Truth] = {}


def truth(bench: Bench) -> Truth:
    """Worked out once in a process."""
    if repr(bench) not in _truths:
        _truths[repr(bench)] = Truth.of(bench)
    return _truths[repr(bench)]


def searched(bench: Bench, name: str, seed: int, budget: float, workers: int) -> Spending:
    """A strategy of ours with a budget, replayed."""
    shared = {"budget": f"{budget:g} full", "seed": seed, "baseline": False, "objectives": bench.objectives}
    strategy = STRATEGIES[name](**shared, rungs=bench.conf.epochs, separate=bench.conf.separate)
    done = replay(bench.table.space, strategy, bench.evaluate, workers=workers, until=budget)
    trained = [ended for ended in done.ended if ended.record.ok and ended.record.proposal.rung == strategy.rung]
    return sorted(((ended.charge, ended.record.proposal.arch) for ended in trained), key=lambda entry: entry[0])


def sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    if name == "optuna-nsga2":
        return optuna.samplers.NSGAIISampler(population_size=20, seed=seed)
    if name == "optuna-tpe":
        return optuna.samplers.TPESampler(multivariate=True, seed=seed)
    return optuna.samplers.GPSampler(seed=seed, deterministic_objective=False)


def studied(bench: Bench, name: str, seed: int, budget: float) -> Spending:
    """Optuna's study, asked and told: it sees a choice as Optuna's users write one, and a full training of each suggestion."""
    space, last, goals = bench.table.space, len(bench.conf.rungs), objectives(bench.objectives)
    study = optuna.create_study(directions=["minimize"] * len(goals), sampler=sampler(name, seed))
    grid, options = distributions(space), {hole.name: hole.options for hole in space.holes()}
    spending: Spending = []
    known: dict[Arch, Point | None] = {}
    rng = random.Random(seed)
    for _ in range(int(REPEATS * budget)):
        trial = study.ask(grid)
        arch = space.nearest({name: listed[trial.params.get(name, 0)] for name, listed in options.items()}, rng)
        if arch not in known:
            if len(known) + 1 > budget:
                break
            known[arch] = point(bench.measured(arch, seed, last), goals)
            spending.append((float(len(known)), arch))
        at = known[arch]
        study.tell(trial, at, state=None if at is not None else optuna.trial.TrialState.FAIL)
    return spending


def halved(bench: Bench, seed: int, budget: float) -> Spending:
    """Syne Tune's MOASHA, one trial after another, at the table's rungs."""
    from syne_tune.backend.trial_status import Trial
    from syne_tune.config_space import choice
    from syne_tune.optimizer.scheduler import SchedulerDecision
    from syne_tune.optimizer.schedulers.multiobjective.moasha import MOASHA

    space, epochs, goals = bench.table.space, bench.conf.epochs, objectives(bench.objectives)
    np.random.seed(seed)  # it draws from numpy's own generator
    rng = random.Random(seed)
    scheduler = MOASHA(
        {hole.name: choice(list(hole.options)) for hole in space.holes()},
        metrics=[goal.name for goal in goals],
        time_attr="epochs",
        max_t=epochs[-1],
        grace_period=epochs[0],
        random_seed=seed,
    )
    spending: Spending = []
    charge, number = 0.0, 0
    while charge < budget and number < REPEATS * budget * epochs[-1] / epochs[0]:
        trial = Trial(trial_id=number, config=scheduler.suggest().config, creation_time=None)
        number += 1
        arch = space.nearest(trial.config, rng)
        scheduler.on_trial_add(trial)
        for rung, before in enumerate([0, *epochs[:-1]], start=1):
            charge += (epochs[rung - 1] - (0 if bench.conf.separate else before)) / epochs[-1]
            at = point(bench.measured(arch, seed, rung), goals)
            if at is None:
                break
            if rung == len(epochs):
                spending.append((charge, arch))
            result = {"epochs": epochs[rung - 1], **{goal.name: value for goal, value in zip(goals, at, strict=True)}}
            if scheduler.on_trial_result(trial, result) != SchedulerDecision.CONTINUE:
                break
    return spending


@dataclass(frozen=True)
class Result:
    """One seed of one search: its shares at the budgets, the curve to the last of them, and the seconds it took."""

    name: str
    seed: int
    shares: tuple[float, ...]
    curve: tuple[float, ...]
    took_s: float


def measure(bench: Bench, name: str, seed: int, budgets: tuple[float, ...], workers: int) -> Result:
    """Run one search under each budget; those that know no budget run once and are read on the way."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    started = time.perf_counter()
    if name in PEERS:
        whole = halved(bench, seed, budgets[-1]) if name == "syne-tune-moasha" else studied(bench, name, seed, budgets[-1])
        runs = [whole] * len(budgets)
    else:
        runs = [searched(bench, name, seed, budget, workers) for budget in budgets]
    took = time.perf_counter() - started
    judge = truth(bench)
    shares = tuple(judge.share(within(run, budget)) for run, budget in zip(runs, budgets, strict=True))
    curve = tuple(judge.share(within(runs[-1], at)) for at in steps_to(budgets[-1]))
    return Result(name, seed, shares, curve, took)


def steps_to(budget: float) -> list[float]:
    return [float(at) for at in np.linspace(budget / 100, budget, 100)]


def told(values: Sequence[float]) -> str:
    """Median and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.3f} [{low:.3f} {high:.3f}]"


def contenders(wanted: str, skip: str) -> Iterator[str]:
    """The searches to run, in the order of the table. ValueError where a name is not known."""
    ours = [name for name in STRATEGIES if name not in ("archs", "grid")]
    peers = [name for name in PEERS if not name.startswith("syne") or find_spec("syne_tune")]
    listed, left_out = ([name for name in text.split(",") if name] for text in (wanted, skip))
    for name in [*listed, *left_out]:
        if name not in [*ours, *PEERS]:
            raise ValueError(f"unknown search '{name}'; {nearest(name, [*ours, *PEERS])}")
    yield from (name for name in [*ours, *peers] if (not listed or name in listed) and name not in left_out)


def draw(results: dict[str, list[Result]], budget: float, path: Path, title: str) -> None:
    """Median curves with their quartiles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    axes = figure.add_subplot(xlabel="full trainings", ylabel="share of the true front's hypervolume", title=title)
    for name, runs in results.items():
        low, middle, high = np.percentile([run.curve for run in runs], [25, 50, 75], axis=0)
        (line,) = axes.plot(steps_to(budget), middle, label=name, linestyle="--" if name in PEERS else "-")
        axes.fill_between(steps_to(budget), low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set_ylim(bottom=0.6, top=1.0)
    axes.legend()
    figure.savefig(path)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", default="nasbench201", help="a mapping of conf/table")
    parser.add_argument("--config-dir", type=Path, help="a folder with a mapping of your own: <folder>/table/<name>.yaml")
    parser.add_argument("--file", type=Path, required=True, help="the recorded table: csv, csv.gz, parquet")
    parser.add_argument("--latency", help="the column of the cost; default: the mapping's latency_ms")
    parser.add_argument(
        "--reference", type=float, help="the worst score that counts; else the worst that is no outlier (nasbench201: 80)"
    )
    parser.add_argument("--strategies", default="", help="names, by commas; default: all")
    parser.add_argument("--skip", default="", help="names to leave out, such as gp,optuna-gp, which are slow")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--budgets", type=float, nargs="+", default=[25, 50, 100], help="in full trainings")
    parser.add_argument("--workers", type=int, default=1, help="simulated, of our strategies")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--one-rung", action="store_true", help="the last rung alone: nobody may train shorter")
    parser.add_argument("--picture", type=Path, help="curves are drawn here: .png, .svg, .pdf")
    return parser.parse_args()


def bench_of(given: argparse.Namespace) -> Bench:
    with compose([f"+table={given.table}", "table.file=given"], config_dir=given.config_dir) as conf:
        mapping: TableConf = typed(conf.table)
    measurements = {**mapping.measurements, **({COST: given.latency} if given.latency else {})}
    if COST not in measurements:
        raise ValueError(f"--latency: not given, and the mapping has no {COST}; expected the column of the cost")
    rungs = mapping.rungs[-1:] if given.one_rung else mapping.rungs
    mapping = replace(mapping, file=str(given.file.resolve()), measurements=measurements, rungs=rungs)
    reference = WORST.get(given.table) if given.reference is None else given.reference
    return Bench(given.table, mapping, reference)


def main() -> None:
    given, console = arguments(), Console(width=120)
    bench, names = bench_of(given), list(contenders(given.strategies, given.skip))
    budgets = tuple(sorted(given.budgets))
    truth(bench)  # a wrong reference is refused before anything runs
    tasks = [(name, seed) for seed in range(given.seeds) for name in names]
    results: dict[str, list[Result]] = {name: [] for name in names}
    with ProcessPoolExecutor(given.jobs) as pool:
        running = [pool.submit(measure, bench, name, seed, budgets, given.workers) for name, seed in tasks]
        for done in track(as_completed(running), total=len(running), description="searches", console=console, transient=True):
            results[done.result().name].append(done.result())
    title = f"{bench.name}, {bench.conf.measurements[COST]}, {given.seeds} seeds, {given.workers} worker(s)"
    table = Printed("search", *(f"{budget:g}" for budget in budgets), "s a seed", title=title)
    for name, runs in results.items():
        shares = zip(*(run.shares for run in runs), strict=True)
        table.add_row(name, *(told(column) for column in shares), f"{statistics.median(run.took_s for run in runs):.1f}")
    console.print(table)
    if not find_spec("syne_tune"):
        console.print("syne-tune-moasha: left out, syne_tune is not installed (pip install syne-tune)")
    if given.picture:
        draw(results, budgets[-1], given.picture, title)


if __name__ == "__main__":
    try:
        main()
    except ValueError as error:
        sys.exit(f"error: {error}")
