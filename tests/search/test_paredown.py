import itertools
import random
from dataclasses import replace
from statistics import mean, median, quantiles
from types import SimpleNamespace

import numpy as np
import pytest
from toy import Evaluate, measurements, strategy, toy_space

from evaluators.api import Outcome, RungResult
from search.objectives import point, with_metric
from search.pareto import front, hypervolume
from search.records import Proposal, Record, Records
from search.replay import replay
from search.spending import epochs
from search.strategy import paredown
from search.strategy.paredown import Paredown
from search.surrogate import beliefs
from search.surrogate import facts as facts_module
from search.surrogate.facts import facts_of
from search.surrogate.features import encoding
from search.surrogate.outlook import CHEAP, HOPE, Outlook, hopeful, worst

SPACE = toy_space()
REFERENCE = (0.0, 10.0)


class Instant(Evaluate):
    """The toy evaluator without files."""

    def rung(self, job, rung):
        return RungResult(rung, measurements(job.arch, job.seed, rung))


class Slow(Instant):
    """A look takes as long as a training to the first rung."""

    def rung(self, job, rung):
        seconds = {"measure_s": 30.0} if rung == 0 else {"train_s": 30.0 * rung}
        return RungResult(rung, {**measurements(job.arch, job.seed, rung), **seconds})


class Chance(Instant):
    """The first rung's accuracy is chance; its training loss is what would be read there."""

    loss = False

    def rung(self, job, rung):
        found = measurements(job.arch, job.seed, rung)
        if rung != 1:
            return RungResult(rung, found)
        told = {"train_loss": 2 - found["miou"]} if self.loss else {}
        return RungResult(rung, {**found, "miou": random.Random(f"{job.arch.id}/{job.seed}").random(), **told})


class Telling(Chance):
    loss = True


def reached(name, seed, evaluate=None, rungs=(1, 9), **options):
    conf = strategy(name, seed=seed, trials=1000, rungs=list(rungs), baseline=False, **options)
    done = replay(SPACE, conf, evaluate or Instant())
    best = [record for record in done.records if record.ok and record.proposal.rung == conf.rung]
    points = [point(record.measurements, conf.goals) for record in best]
    return hypervolume([at for at in points if at], REFERENCE), done.records, conf


@pytest.mark.parametrize(("budget", "rungs", "most"), [("8 full", [1, 9], 72), ("70 epochs", [1, 9], 70), ("24 full", [4], 96)])
def test_it_finds_more_than_random_search_for_the_same_epochs(budget, rungs, most):
    found = {name: [reached(name, seed, budget=budget, rungs=rungs) for seed in range(16)] for name in ("paredown", "random")}
    for runs in found.values():
        for _, records, conf in runs:
            assert epochs(records, conf.rungs) <= most
    ours, theirs = ([volume for volume, *_ in found[name]] for name in ("paredown", "random"))
    assert median(ours) > quantiles(theirs)[-1]
    assert quantiles(ours)[0] > median(theirs)


def test_the_training_loss_of_a_short_training_is_gone_by_where_its_accuracy_is_chance():
    alone, told = (
        [reached("paredown", seed, evaluate, budget="8 full")[0] for seed in range(12)] for evaluate in (Chance(), Telling())
    )
    assert median(told) > median(alone)
    assert mean(t - a for t, a in zip(told, alone, strict=True)) > 0


def test_most_members_stop_at_the_first_rung_and_are_measured_before():
    _, records, _ = reached("paredown", 0, budget="8 full")
    at = [sum(record.proposal.rung == rung for record in records) for rung in (0, 1, 2)]
    assert at[0] > 5
    assert at[1] > at[2] >= 4
    assert all(records[record.proposal.trial].ok for record in records if record.proposal.trial is not None)


@pytest.mark.parametrize(("rungs", "cheaper"), [([1, 9], True), ([4, 5], False)])
def test_short_trainings_are_cheaper_while_few_epochs_went_to_them(rungs, cheaper):
    drawn = replay(SPACE, strategy("random", trials=12, rungs=rungs, baseline=False), Instant()).records
    conf = strategy("paredown", rungs=rungs)
    facts = facts_of(drawn, encoding(SPACE), conf.goals)
    outlook = Outlook.of(facts, drawn, conf.plan, len(drawn))
    assert outlook.discount == (CHEAP if cheaper else 1)


@pytest.mark.parametrize(("look", "deviations"), [(0.0, HOPE), (0.0833, 1.0), (0.3989, 0.0), (5.0, 0.0)])
def test_a_member_is_measured_in_hope_as_long_as_that_is_cheap(look, deviations):
    assert hopeful(look) == pytest.approx(deviations, abs=0.01)


def test_where_measuring_takes_as_long_as_training_fewer_members_are_only_measured():
    looks = {}
    for evaluate in (Instant(), Slow()):
        conf = strategy("paredown", rungs=[1, 9], budget="8 full", baseline=False)
        records = replay(SPACE, conf, evaluate).records
        looks[type(evaluate)] = sum(record.proposal.rung == 0 for record in records)
    assert looks[Slow] < 0.75 * looks[Instant]


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize(
    ("rungs", "budget", "looks", "most"),
    [
        ([1, 9], "10 full", 6, 100),
        ([1, 3], "4 full", 0, 100),
        ([4], "12 full", 6, 100),
        ([1, 9], "10 full", 6, 6),
        ([4], "24 full", 6, 6),
    ],
)
def test_an_ask_answers_the_same_in_a_process_that_knows_nothing_of_the_ones_before(
    rungs, budget, looks, most, workers, monkeypatch
):
    """Also where the model has more readings than it can take (`most`)."""
    monkeypatch.setattr(beliefs, "LAST", most)
    monkeypatch.setattr(beliefs, "MOST", most)
    monkeypatch.setattr(facts_module, "ORDERED", min(4, most))
    conf = strategy("paredown", rungs=rungs, budget=budget, baseline=False)
    straight = replay(SPACE, conf, Instant(), workers=workers).records
    ask = Paredown.ask

    def afresh(*arguments):
        facts_module._kept.clear()
        return ask(*arguments)

    monkeypatch.setattr(Paredown, "ask", afresh)
    resumed = replay(SPACE, conf, Instant(), workers=workers).records
    assert [record.proposal for record in resumed] == [record.proposal for record in straight]
    assert sum(record.proposal.rung == 0 for record in straight) >= looks


def test_one_rung_three_objectives_and_asynchronous_workers():
    for options in (
        {"rungs": [4], "budget": "14 trials"},
        {"rungs": [1, 3, 9], "objectives": {"miou": "max", "latency_ms": "min", "params_m": "min"}, "budget": "6 full"},
        {"rungs": [1, 3], "objectives": {"miou": "max"}, "budget": "9 full"},
        {"rungs": [1, 3], "separate": True, "budget": "9 full", "confirm": 3},
    ):
        conf = strategy("paredown", **options)
        for workers in (1, 4):
            records = replay(SPACE, conf, Instant(), workers=workers).records
            assert sum(record.proposal.rung == conf.rung for record in records) >= 3
            assert front(records, conf.goals)


def test_two_members_trained_to_the_end_are_enough_to_believe_something():
    drawn = replay(SPACE, strategy("random", trials=2, rungs=[1, 9], baseline=False), Telling()).records
    conf = strategy("paredown", rungs=[1, 9])
    assert Outlook.of(facts_of(drawn, encoding(SPACE), conf.goals), drawn, conf.plan, len(drawn)) is not None


@pytest.mark.parametrize("full", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("rungs", [[4], [1, 2], [1, 3, 9]])
def test_the_smallest_budgets_are_spent_and_nothing_more(full, rungs):
    conf = strategy("paredown", rungs=rungs, budget=f"{full} full")
    for evaluate, workers in itertools.product((Instant(), Telling()), (1, 2, 3)):
        records = replay(SPACE, conf, evaluate, workers=workers).records
        assert epochs(records, conf.rungs) <= full * rungs[-1]
        assert any(record.proposal.rung == conf.rung for record in records)


def test_a_budget_in_trials_ends_it():
    conf = strategy("paredown", rungs=[1, 9], budget="", trials=15)
    records = replay(SPACE, conf, Instant()).records
    assert records.trained(2) == 15
    assert 3 <= sum(record.proposal.rung == 2 for record in records) <= 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": {"latency": 3.0}}, "search.reference: 'latency' is no objective.*latency_ms"),
        ({"startup": 1}, "search.startup: 1 given"),
        ({"explore": 1.0}, "search.explore: 1.0 given"),
    ],
)
def test_mistakes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        strategy("paredown", **options)


def test_the_reference_of_the_accuracy_is_that_of_the_tasks_first_metric():
    conf = strategy("paredown", objectives={"accuracy": "max", "latency_ms": "min"}, reference={"accuracy": 0.3})
    assert with_metric(conf, {"miou": "max"}).reference == {"miou": 0.3}
    assert with_metric(conf, {"accuracy": "max"}).reference == {"accuracy": 0.3}


@pytest.mark.parametrize(
    ("expected", "reference"),
    [
        ([-0.9, -0.88, -0.86, -0.85, -0.84, -0.82, -0.8, -0.1], -0.8),  # one that fails to learn does not say what counts
        ([-0.9, -0.88, -0.86, -0.85, -0.84, -0.82, -0.8, -0.76], -0.76),  # one that is only less accurate does
        ([-0.5] * 8, -0.5),
    ],
)
def test_the_worst_accuracy_that_counts_is_no_outlier(expected, reference):
    assert worst(np.array(expected)) == reference


def test_objectives_that_need_no_training_are_another_strategys():
    conf = strategy("paredown", objectives={"params_m": "min", "latency_ms": "min"}, budget="5 full", rungs=[1, 2])
    with pytest.raises(ValueError, match=r"none of the objectives .* needs training; use search=nsga2"):
        replay(SPACE, conf, Instant())


def test_members_over_a_limit_are_learnt_from():
    class Limited(Instant):
        def __call__(self, job):
            slow = measurements(job.arch, job.seed, 0)["latency_ms"] > 4.0
            if slow:
                yield self.rung(job, 0)
            yield from [Outcome("infeasible", "latency_ms")] if slow else super().__call__(job)

    drawn, later = mean(measurements(arch, 0, 0)["latency_ms"] > 4.0 for arch in SPACE.enumerate()), []
    for seed in range(3):
        conf = strategy("paredown", rungs=[1, 9], budget="8 full", limits={"latency_ms": 4.0}, baseline=False, seed=seed)
        records = replay(SPACE, conf, Limited()).records
        later.append(mean(record.infeasible for record in records[len(records) // 2 :]))
        assert sum(record.ok and record.proposal.rung == 2 for record in records) >= 5
    assert mean(later) < 0.5 * drawn


@pytest.mark.parametrize("workers", [1, 3])
def test_a_budget_for_more_than_there_is_leaves_no_member_unseen(workers):
    latencies = {arch: measurements(arch, 0, 0)["latency_ms"] for arch in SPACE.enumerate()}
    limit = sorted(latencies.values())[12]

    class Limited(Instant):
        def __call__(self, job):
            slow = latencies[job.arch] > limit
            if slow:
                yield self.rung(job, 0)
            yield from [Outcome("infeasible", "latency_ms")] if slow else super().__call__(job)

    conf = strategy("paredown", rungs=[1, 9], budget="40 full", limits={"latency_ms": limit}, baseline=False)
    records = replay(SPACE, conf, Limited(), workers=workers).records
    assert {record.proposal.arch for record in records} == set(latencies)
    whole = {record.proposal.arch for record in records if record.ok and record.proposal.rung == 2}
    assert whole == {arch for arch, latency in latencies.items() if latency <= limit}


@pytest.mark.parametrize(("over", "considered"), [(0.5, True), (1.5, False)])
def test_a_member_that_only_looks_over_a_limit_is_considered_however_dear_a_look(over, considered):
    drawn = replay(SPACE, strategy("random", trials=12, rungs=[1, 9], baseline=False), Slow()).records
    conf = strategy("paredown", rungs=[1, 9])
    facts = facts_of(drawn, encoding(SPACE), conf.goals)
    outlook = Outlook.of(facts, drawn, conf.plan, len(drawn))
    assert outlook.hope == 0
    arches = list(SPACE.enumerate())
    best = int(outlook.rated_new(arches, price=0.0).rates.argmax())
    at = outlook.costs.names.index("latency_ms")
    looks = outlook.costs.guess(facts.encoding, facts.encoding([arches[best]]))[0, at]
    limited = replace(conf.plan, limits={"latency_ms": float(looks * np.exp(-over * outlook.costs.spread[at]))})
    rates = replace(outlook, plan=limited).rated_new(arches, price=0.0).rates
    assert (rates[best] > 0) == considered


def test_unseen_neighbours_are_considered_however_many_of_them_were_asked(monkeypatch):
    """Those asked do not take the places of others."""
    monkeypatch.setattr(paredown, "NEIGHBOURS", 3)
    space, chosen = toy_space(), strategy("paredown", candidates=1)
    around = list(space.neighbours(space.baseline, random.Random(0)))
    parent = SimpleNamespace(first=Record(0, Proposal(space.baseline, 0, 1), 0))
    outlook, facts = SimpleNamespace(leaders=lambda: [parent]), SimpleNamespace(ended=0)
    for asked in range(len(around)):
        records = Records(tuple(Record(number, Proposal(arch, 0, 1), number) for number, arch in enumerate(around[:asked])))
        found = {arch.id for arch in chosen.considered(outlook, space, facts, records, asked - 1)}
        left = {arch.id for arch in around[asked:]}
        assert len(found & left) >= min(3, len(left))
        assert not found & {arch.id for arch in around[:asked]}
