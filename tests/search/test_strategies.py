"""One suite over every registered strategy, on the toy space and its deterministic evaluator, without launching anything."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from toy import Evaluate, measurements, strategy, toy_space

from evaluators.api import Outcome, RungResult
from search.launch.driver import STREAK, next_proposal, streak
from search.pareto import front
from search.plans import Named
from search.records import Ledger, Proposal, Record, Records
from search.spending import epochs
from search.strategy import STRATEGIES, Standing
from search.strategy.gp import asking_share

SPACE = toy_space()
OPTIONS = {
    "ablation": {"ends": [Named("pooled", SPACE.known[0]), None], "choices": ["b", "mixer"], "seeds": [0]},  # and the baseline
    "archs": {"members": [SPACE.sample(random.Random(n)) for n in range(9)]},
    "nsga2": {"population": 4},
    "nsga3": {"population": 4},
}
GIVEN = ("ablation", "archs")  # what they train is said beforehand: they search nothing
OPTIONS |= {"gp": {"startup": 8, "remember": 8}, "tpe": {"startup": 4, "remember": 6}}
names = pytest.mark.parametrize("name", STRATEGIES.names())
searching = pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in (*GIVEN, "gp")])


def chosen(name, **options):
    return strategy(name, **{"trials": 10, **OPTIONS.get(name, {}), **options})


def close(ledger, number, kind="ok", train_s=100.0):
    """End trial `number` as the toy evaluator would."""
    proposal = ledger[number].proposal
    for rung in (rung for rung in range(proposal.rung + 1) if not ledger.has(number, rung)):
        readings = measurements(proposal.arch, proposal.seed, rung)
        readings |= {"train_s": train_s} if rung else {}
        ledger.apply({"event": "rung", "number": number, "rung": rung, "measurements": readings})
    ledger.apply({"event": "ended", "number": number, "kind": kind, "reason": "latency_ms 9 > 5"})


def ask(ledger, proposal, ask_s=0.0):
    arch = {"network": proposal.arch.network, "arch": proposal.arch.arch}
    event = {"event": "asked", "number": len(ledger), "continues": proposal.trial, "seed": proposal.seed, "rung": proposal.rung}
    ledger.apply({**event, "arch": arch, "ask_s": ask_s})


def played(strategy, *, workers=1, kind=lambda arch: "ok", space=SPACE, limit=200):
    """Records of a run with so many trials in flight; the newest ends first, so that orders differ from numbers."""
    ledger = Ledger()
    for _ in range(limit):
        proposal = next_proposal(space, strategy, ledger.records)
        if proposal is not None:
            ask(ledger, proposal)
        running = ledger.records.running
        if not running:
            return ledger.records
        if proposal is None or len(running) >= workers:
            close(ledger, running[-1].number, kind(running[-1].proposal.arch))
    raise AssertionError("does not end")


@names
def test_only_valid_asks_the_opening_first_and_no_repeats(name):
    records = played(chosen(name))
    assert records.trained(2) == len({(r.proposal.arch.id, r.proposal.seed) for r in records if r.proposal.rung}) == 10
    assert records[0].proposal.arch == SPACE.baseline
    assert all(record.proposal.arch in SPACE for record in records)
    assert all(record.proposal.rung == 2 for record in records) or STRATEGIES[name].continues
    assert len({(record.trial, record.proposal.rung) for record in records}) == len(records)
    if name != "archs":
        assert records[1].proposal.arch == SPACE.known[0]


@names
def test_an_ask_is_pure(name):
    ask_it = chosen(name)
    for workers in (1, 3):
        records = played(ask_it, workers=workers)
        for number in (1, 5, 9):
            above = Records(records.items[:number])
            fresh = dataclasses.replace(ask_it)
            assert next_proposal(SPACE, ask_it, above) == next_proposal(toy_space(), fresh, above)
    assert played(ask_it, workers=3) == played(dataclasses.replace(ask_it), workers=3)


@names
def test_the_lag_makes_the_sequence_independent_of_the_workers(name):
    lagged = chosen(name, lag=3)
    sequences = [[record.proposal for record in played(lagged, workers=workers)] for workers in (1, 2, 3, 5)]
    assert all(sequence == sequences[0] for sequence in sequences)
    assert len({proposal.arch.id for proposal in sequences[0] if proposal.rung}) == 10


@names
def test_failed_trials_do_not_stop_it(name):
    records = played(chosen(name), kind=lambda arch: "failed" if arch.arch["a"] >= 2 else "ok")
    assert records.trained(2) == 10


@searching
def test_infeasible_ones_do_not_count(name):
    records = played(chosen(name), kind=lambda arch: "infeasible" if arch.arch["a"] >= 3 else "ok")
    assert records.trained(2) == 10
    assert len(records.keys) == len({record.trial for record in records})


@searching
def test_it_stops_when_the_space_is_used_up(name):
    small = toy_space(narrowed=True, a=[0, 1], b=[0, 1, 3])
    records = played(chosen(name, trials=1000), space=small)
    assert {record.proposal.arch.id for record in records} == {arch.id for arch in small.enumerate()}


def test_narrowed_space_keeps_its_baseline_as_trial_0():
    space = toy_space(narrowed=True, a=[2, 4, 6])
    assert not space.baseline_inside
    for name in STRATEGIES:
        records = played(chosen(name), space=space)
        assert records[0].proposal.arch == space.baseline
        assert name in GIVEN or all(record.proposal.arch in space for record in records[1:])


def test_random_search_finds_the_front_of_a_space_it_covers():
    records = played(chosen("random", trials=144), limit=500)
    best = {record.proposal.arch.id for record in front(records, chosen("random").goals)}
    everything = [
        Record(
            n, Proposal(arch, 0, 2), n, measurements={**measurements(arch, 0, 0), **measurements(arch, 0, 2)}, outcome=Outcome("ok")
        )
        for n, arch in enumerate(SPACE.enumerate())
    ]
    assert best == {record.proposal.arch.id for record in front(everything, chosen("random").goals)}


@pytest.mark.parametrize("name", ["nsga2", "nsga3", "tpe"])
def test_samplers_find_a_known_optimum(name):
    """One objective whose best member is a = b = 7 with attention."""
    records = played(chosen(name, trials=70, objectives={"miou": "max"}, rungs=[1, 3]))
    best = front(records, chosen(name, objectives={"miou": "max"}).goals)[0]
    assert best.proposal.arch.arch["a"] == 7


def test_archs_trains_its_list_under_each_seed():
    conf = chosen("archs", seeds=[1, 2], trials=1)
    records = played(conf)
    wanted = [SPACE.baseline, *OPTIONS["archs"]["members"]]
    assert [record.proposal.arch for record in records] == wanted * 2
    assert [record.proposal.seed for record in records] == [1] * 10 + [2] * 10
    assert played(chosen("archs", baseline=False))[0].proposal.arch == wanted[1]
    with pytest.raises(ValueError, match=r"search\.archs: none given"):
        next_proposal(SPACE, chosen("archs", members=[]), Records())


@names
def test_the_total_is_what_a_run_trains(name):
    conf = chosen(name)
    records = played(conf)
    assert conf.total(SPACE) == records.trained(2) == 10
    assert conf.standing(SPACE, records) == Standing(10, 10, "members")


@searching
def test_a_budget_is_kept_and_used(name):
    """In full trainings: no ask exceeds it, also with several running, and no member more could have been paid for."""
    conf = chosen(name, trials=1000, budget="8 full")
    for workers in (1, 4):
        records = played(conf, workers=workers)
        spent = epochs(records, conf.rungs)
        assert 7 * 3 < spent <= 8 * 3
        assert conf.standing(SPACE, records) == Standing(spent / 3, 8.0, "full")
        assert "of 8 full" in conf.summed_up(SPACE, records)


@searching
def test_the_baseline_can_be_left_out(name):
    records = played(chosen(name, baseline=False, trials=5))
    assert SPACE.known[0] not in [record.proposal.arch for record in records[:2]] or name == "grid"
    assert records.trained(2) == 5


@searching
def test_confirming_adds_seeds_after_the_members(name):
    conf = chosen(name, confirm=3)
    records = played(conf, workers=2)
    more = [record.proposal for record in records if record.proposal.seed != 0]
    assert more
    assert records.trained(2, seed=0) == 10
    assert not any(record.proposal.seed == 0 for record in records[len(records) - len(more) :])
    assert all(proposal.rung == 2 and proposal.seed in (1, 2) for proposal in more)
    assert conf.standing(SPACE, records) == Standing(10 + len(more), 10 + len(more), "members")
    bounded = chosen(name, confirm=3, budget="9 full")
    assert epochs(played(bounded, workers=2), bounded.rungs) <= 27


@searching
def test_asks_that_follow_a_log_equal_fresh_ones(name, monkeypatch):
    """What is kept from ask to ask changes nothing: also with a lag, and between two runs asked in turns."""
    for options in ({}, {"lag": 3}, {"confirm": 2, "budget": "9 full"}):
        followed = [record.proposal for record in played(chosen(name, **options), workers=3)]
        with monkeypatch.context() as patch:
            patch.setattr("search.index.KEPT", 0)
            assert [record.proposal for record in played(chosen(name, **options), workers=3)] == followed


def test_the_total_of_a_list_and_of_a_small_grid():
    twice = [SPACE.baseline, SPACE.known[0], SPACE.known[0]]
    conf = chosen("archs", members=twice, seeds=[1, 2], trials=3)
    assert conf.total(SPACE) == len(played(conf)) == 4
    small = toy_space(narrowed=True, a=[1], b=[1, 3])  # the baseline is outside
    assert chosen("grid", trials=1000).total(small) == len(played(chosen("grid", trials=1000), space=small)) == 9


def test_a_streak_of_infeasible_ones_ends_the_run_and_names_the_limit():
    items = tuple(
        Record(n, Proposal(SPACE.baseline, 0, 1), n, outcome=Outcome("infeasible", "latency_ms 9 > 5"), ended_at=n)
        for n in range(STREAK)
    )
    records = Records(items)
    assert "latency_ms 9 > 5" in streak(records)
    assert next_proposal(SPACE, chosen("random", trials=5), records) is None
    assert not streak(Records(items[:-1]))


def test_gp_warns_then_refuses_where_asking_is_slower_than_training(caplog):
    ledger, gp = Ledger(), chosen("gp", trials=99)

    def step(ask_s, times):
        for _ in range(times):
            ask(ledger, next_proposal(SPACE, gp, ledger.records), ask_s=ask_s)
            close(ledger, len(ledger) - 1, train_s=10.0)  # from the beginning of the trial to its last rung

    step(0.1, 6)
    assert asking_share(ledger.records) == pytest.approx(0.01)
    assert not caplog.records
    step(5.0, 4)
    assert "consider search=tpe" in caplog.text
    assert len(caplog.records) == 1
    step(20.0, 3)
    with pytest.raises(ValueError, match="use search=tpe"):
        next_proposal(SPACE, gp, ledger.records)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "search.trials: 0 given; allowed: 1 or more"),
        ({"lag": 0}, "search.lag"),
        ({"limits": {"latency_ms": 0.0}}, "search.limits.latency_ms: 0.0 given"),
        ({"limits": {"latency_ms": float("nan")}}, "search.limits.latency_ms: nan given"),
        ({"objectives": {"miou": "up"}}, "unknown direction 'up'"),
        ({"budget": "25 ful"}, r"unknown unit 'ful'.*Did you mean 'full'"),
        ({"budget": "25"}, "search.budget: '25' given"),
        ({"budget": "-3 epochs"}, "allowed: a number above 0"),
        ({"confirm": -1}, "search.confirm: -1 given"),
        ({"name": "archs", "budget": "3 full"}, "search.budget: 3 full given; not allowed with search=archs"),
        ({"name": "mutate", "startup": 0}, "search.startup: 0 given"),
        ({"name": "promote", "eta": 1.0}, "search.eta: 1.0 given"),
        ({"name": "promote", "proposer": "mutat"}, r"unknown proposer 'mutat'.*Did you mean 'mutate'"),
        ({"name": "promote", "proposer": "archs"}, "unknown proposer 'archs'"),
        ({"name": "nsga2", "population": 1}, "search.population"),
        ({"name": "nsga3", "population": 1}, "search.population"),
        ({"name": "tpe", "remember": 5}, r"search.remember: 5 given; allowed: null, or 10 or more \(search.startup is 10\)"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        strategy(**options)


def test_same_seed_same_ids_in_another_process():
    here = [record.proposal.arch.id for record in played(chosen("nsga2"))]
    code = "import sys, json; sys.path.insert(0, sys.argv[1]); import test_strategies as t; "
    code += "print(json.dumps([r.proposal.arch.id for r in t.played(t.chosen('nsga2'))]))"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.getcwd()}
    command = [sys.executable, "-c", code, str(Path(__file__).parent)]
    there = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert json.loads(there.stdout) == here


def test_the_toy_evaluator_keeps_its_contract(tmp_path):
    from evaluators.api import Job

    (tmp_path / "checkpoints" / "0").mkdir(parents=True)
    events = list(Evaluate()(Job(SPACE.baseline, 0, 2, tmp_path / "checkpoints" / "0")))
    assert [type(event) for event in events] == [RungResult, RungResult, RungResult, Outcome]
