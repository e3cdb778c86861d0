"""The simulated clock: the records are those of a real run, workers end in the order of time, and every ask is charged."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from toy import measurements, strategy, toy_space

from evaluators.api import Job, Outcome, RungResult
from search.launch.driver import TrialError
from search.launch.serial import Serial
from search.progress import Progress
from search.records import Log, Proposal
from search.replay import replay
from search.strategy import STRATEGIES, Strategy


@dataclass(frozen=True)
class Timed:
    """A pure function of the job, nothing on disk; a training takes 10 s for each `a` and 1 s more. `wrong`: how a >= 3 ends."""

    wrong: str = ""
    timed: bool = True
    separate: bool = False

    def __call__(self, job: Job) -> Iterator[RungResult | Outcome]:
        plain = job.arch.arch
        for rung in range(job.rung + 1):
            if self.separate and 0 < rung < job.rung:
                continue
            measured = measurements(job.arch, job.seed, rung)
            if rung:
                measured = {"miou": measured["miou"], **({"train_s": 10.0 * plain["a"] + 1} if self.timed else {})}
            yield RungResult(rung, measured)
            if self.wrong and plain["a"] >= 3:
                yield Outcome(self.wrong, "as wished")
                return
        yield Outcome("ok")


def test_the_records_are_those_of_a_real_run(tmp_path):
    chosen, space = strategy("nsga2", trials=10), toy_space()
    with Log.open(tmp_path) as log, open(os.devnull, "w") as silent:
        progress = Progress(10, goals=chosen.goals, last=chosen.rung, console=Console(file=silent))
        Serial().run(space, chosen, Timed(), log, progress=progress)
        real = log.records
    done = replay(space, chosen, Timed())
    assert [(r.proposal, r.measurements, r.outcome, r.ended_at) for r in done.records] == [
        (r.proposal, r.measurements, r.outcome, r.ended_at) for r in real
    ]


def test_one_worker_takes_the_sum_of_the_times_and_is_charged_for_each():
    done = replay(toy_space(), strategy(trials=6), Timed())
    spent = sum(2 * (10.0 * record.proposal.arch.arch["a"] + 1) for record in done.records)
    assert done.ended[-1].at_s == pytest.approx(spent)
    assert [ended.charge for ended in done.ended] == [1, 2, 3, 4, 5, 6]
    assert done.charge == 6


def test_workers_end_in_the_order_of_simulated_time():
    done = replay(toy_space(), strategy(trials=20), Timed(), workers=4)
    times = [ended.at_s for ended in done.ended]
    assert times == sorted(times)
    assert [ended.record.number for ended in done.ended] != sorted(record.number for record in done.records)
    assert [ended.record.number for ended in done.ended] == [record.number for record in done.records.ended]
    assert sorted(ended.charge for ended in done.ended) == list(range(1, 21))
    alone = replay(toy_space(), strategy(trials=20), Timed())
    assert alone.ended[-1].at_s / 4 <= times[-1] < alone.ended[-1].at_s


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in ("archs", "grid", "gp")])
def test_a_replay_is_the_same_every_time_and_with_a_lag_for_any_number_of_workers(name):
    chosen = strategy(name, trials=12, lag=3)
    asked = [[r.proposal for r in replay(toy_space(), chosen, Timed(), workers=workers).records] for workers in (3, 3, 1)]
    assert asked[0] == asked[1] == asked[2]


def test_until_is_never_exceeded():
    assert replay(toy_space(), strategy(trials=50), Timed(), workers=3, until=4.5).charge == 4
    assert replay(toy_space(), strategy(trials=50, rungs=[]), Timed(), until=0.5).charge == 0


@pytest.mark.parametrize(("wrong", "paid"), [("infeasible", 0), ("failed", 1)])
def test_what_is_refused_before_training_is_not_charged(wrong, paid):
    done = replay(toy_space(), strategy(trials=10), Timed(wrong))
    refused = [ended for ended in done.ended if not ended.record.ok]
    assert refused
    assert done.charge == len(done.ended) - (1 - paid) * len(refused)


def test_an_epoch_that_nobody_timed_takes_a_second():
    done = replay(toy_space(), strategy(trials=2), Timed(timed=False))
    assert done.ended[-1].at_s == 2 * 3


@dataclass(frozen=True, kw_only=True)
class Two(Strategy):
    """The baseline to rung 1, then on to rung 2."""

    continues = True

    def ask(self, space, records, rng):
        if len(records) == 2 or records.running:
            return None
        return Proposal(space.baseline, 0, len(records) + 1, 0 if len(records) else None)


@pytest.mark.parametrize(("separate", "charges", "seconds"), [(False, [1 / 3, 1], [1, 2]), (True, [1 / 3, 4 / 3], [1, 2])])
def test_a_continued_trial_pays_for_what_it_adds(separate, charges, seconds):
    chosen = Two(rungs=[1, 3], separate=separate, objectives={"miou": "max", "latency_ms": "min"})
    done = replay(toy_space(), chosen, Timed(separate=separate))
    assert [ended.charge for ended in done.ended] == pytest.approx(charges)
    assert [ended.at_s for ended in done.ended] == seconds
    assert [[result.rung for result in record.results] for record in done.records] == [[0, 1], [2]]


def test_a_bug_stops_the_replay_and_is_told():
    with pytest.raises(TrialError, match="as wished"):
        replay(toy_space(), strategy(trials=30), Timed("bug"))
    with pytest.raises(ValueError, match="workers: 0 given"):
        replay(toy_space(), strategy(), Timed(), workers=0)


def test_each_trial_has_a_folder_of_its_own_which_is_not_made(tmp_path):
    seen = []

    def evaluate(job):
        seen.append(job.directory)
        yield from Timed()(job)

    replay(toy_space(), strategy(trials=3), evaluate, directory=tmp_path)
    assert seen == [tmp_path / str(n) for n in range(3)]
    assert list(Path(tmp_path).iterdir()) == []
