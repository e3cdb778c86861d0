"""Promotion over three rungs, on the toy space."""

import json
import shutil
from collections import Counter

import pytest
from test_strategies import close, played
from toy import Evaluate, strategy, toy_space

from evaluators.api import TRAIN_LOSS
from search.launch import LAUNCHERS
from search.launch.driver import next_proposal
from search.progress import Progress
from search.records import Ledger, Log, events, read
from search.spending import epochs

RUNGS = [1, 3, 9]


def promote(**options):
    return strategy("promote", **{"trials": 27, "rungs": RUNGS, **options})


def run(run_dir, conf, evaluate=None):
    with Log.open(run_dir) as log:
        log.started({})
        progress = Progress(conf.trials, goals=conf.goals, last=conf.rung)
        return LAUNCHERS["serial"]().run(toy_space(), conf, evaluate or Evaluate(), log, progress=progress)


@pytest.mark.parametrize("proposer", ["mutate", "random", "tpe", "nsga2", "nsga3"])
@pytest.mark.parametrize("workers", [1, 4])
def test_the_best_third_of_each_rung_goes_on(proposer, workers):
    conf = promote(proposer=proposer, baseline=False)
    records = played(conf, workers=workers)
    asked = Counter(record.proposal.rung for record in records)
    assert asked[1] == 27
    assert 9 <= asked[2] <= 15  # a third while members start; those who were not then among the best and are, at the end
    assert 3 <= asked[3] <= 10
    assert all(record.proposal.trial == record.trial for record in records if record.proposal.rung > 1)
    assert epochs(records, RUNGS) < 27 * 9 / 2


def test_the_baseline_goes_to_the_last_rung_at_once():
    records = played(promote())
    assert records[0].proposal.rung == 3
    assert sum(record.trial == 0 for record in records) == 1
    assert records[1].proposal == promote().propose(toy_space().known[0]).__class__(toy_space().known[0], 0, 1)


def test_a_promoted_one_is_in_the_first_front_of_its_rung():
    """With one objective it is the best of those that stand there."""
    conf, space, ledger = promote(objectives={"miou": "max"}, baseline=False, trials=12), toy_space(), Ledger()
    while (proposal := next_proposal(space, conf, ledger.records)) is not None:
        if proposal.rung == 2:
            standing = [r for r in ledger.records if ledger.records.index.reached(r.trial) == 1]
            best = max(standing, key=lambda r: r.measurements["miou"])
            assert proposal.trial == best.number
        arch = {"network": proposal.arch.network, "arch": proposal.arch.arch}
        event = {"event": "asked", "number": len(ledger), "continues": proposal.trial, "seed": 0, "rung": proposal.rung}
        ledger.apply({**event, "arch": arch, "ask_s": 0.0})
        close(ledger, len(ledger) - 1)
    assert {record.proposal.rung for record in ledger.records} == {1, 2, 3}


def test_one_rung_is_the_proposer_alone():
    alone = played(strategy("mutate", rungs=[3]))
    assert [r.proposal for r in played(strategy("promote", rungs=[3]))] == [r.proposal for r in alone]


def test_what_a_budget_leaves_is_spent_on_promotions():
    conf = promote(budget="20 full")
    small = toy_space(narrowed=True, a=[0, 1], b=[1])
    records = played(conf, space=small)
    assert Counter(record.proposal.rung for record in records)[3] == len(records.keys)  # all of them, as it pays for all


def test_few_trials_still_bring_one_to_the_last_rung():
    records = played(promote(trials=3, baseline=False))
    assert max(record.proposal.rung for record in records) == 3


def test_infeasible_ones_are_never_promoted():
    records = played(promote(trials=12), kind=lambda arch: "infeasible" if arch.arch["a"] >= 3 else "ok", limit=900)
    assert records.trained(3) == 12
    assert not any(record.proposal.trial is not None and records[record.trial].infeasible for record in records)


def test_a_failed_promotion_is_not_tried_again():
    seen = []

    def kind(arch):
        seen.append(arch.id)
        return "failed" if seen.count(arch.id) == 2 else "ok"

    records = played(promote(trials=12), kind=kind)
    assert max(Counter((record.trial, record.proposal.rung) for record in records).values()) == 1


def test_launchers_train_no_rung_twice_and_the_same_command_goes_on(tmp_path):
    conf = promote(trials=9)
    told = run(tmp_path / "whole", conf)
    assert told.startswith("9 members trained; ")
    notes = [path.read_text() for path in (tmp_path / "whole" / "trained").iterdir()]
    assert notes == ["trained\n"] * len(notes)
    calls = []

    def evaluate(job):
        calls.append(job)
        if len(calls) % 4 == 0:  # Ctrl-C in every fourth job, some of them continued ones
            yield next(Evaluate()(job))
            raise KeyboardInterrupt
        yield from Evaluate()(job)

    for _ in range(20):
        try:
            run(tmp_path / "stopped", conf, evaluate)
        except KeyboardInterrupt:
            continue
        break
    whole, stopped = read(tmp_path / "whole"), read(tmp_path / "stopped")
    assert [record.proposal for record in stopped] == [record.proposal for record in whole]
    assert [record.measurements for record in stopped] == [record.measurements for record in whole]
    notes = [path.read_text() for path in (tmp_path / "stopped" / "trained").iterdir()]
    assert notes == ["trained\n"] * len(notes)
    rungs = [(e["number"], e["rung"]) for e in events(tmp_path / "stopped" / "trials.jsonl") if e["event"] == "rung"]
    assert len(rungs) == len(set(rungs))


def test_checkpoints_stay_where_they_may_be_continued(tmp_path):
    run(tmp_path, promote(trials=9))
    kept = {int(path.name) for path in (tmp_path / "checkpoints").iterdir()}
    records = read(tmp_path)
    assert kept == {record.trial for record in records} - {record.trial for record in records if record.proposal.rung == 3}
    done = json.loads((tmp_path / "checkpoints" / str(min(kept)) / "rung1.json").read_text())
    assert "miou" in done
    shutil.rmtree(tmp_path / "checkpoints")


def standing(ledger, arches, losses, accuracies):
    """Members at the first rung, with the training losses and accuracies that they are given."""
    for number, (arch, loss, accuracy) in enumerate(zip(arches, losses, accuracies, strict=True)):
        told = {"network": arch.network, "arch": arch.arch}
        ledger.apply({"event": "asked", "number": number, "continues": None, "seed": 0, "rung": 1, "arch": told, "ask_s": 0.0})
        ledger.apply({"event": "rung", "number": number, "rung": 0, "measurements": {"macs_g": 1.0}})
        loss = {} if loss is None else {TRAIN_LOSS: loss}
        ledger.apply({"event": "rung", "number": number, "rung": 1, "measurements": {"miou": accuracy, **loss}})
        ledger.apply({"event": "ended", "number": number, "kind": "ok", "reason": ""})


LOSSES = [0.9, 0.5, 0.8, 0.7, 0.6, 0.95]
ACCURACIES = [0.30, 0.29, 0.20, 0.21, 0.22, 0.10]


@pytest.mark.parametrize(("losses", "first"), [(LOSSES, 1), ([None] * 6, 0), ([0.5] * 6, 0)])
def test_of_a_rung_the_best_are_those_by_accuracy_and_training_loss_together(losses, first):
    conf, ledger = promote(objectives={"miou": "max", "macs_g": "min"}, baseline=False), Ledger()
    standing(ledger, list(toy_space().enumerate())[:6], losses, ACCURACIES)
    assert conf.promotion(ledger.records, lambda count: 1).trial == first


def test_an_objective_that_costs_no_training_and_the_loss_itself_stand_as_they_were_measured():
    conf, ledger = promote(objectives={TRAIN_LOSS: "min", "macs_g": "min"}, baseline=False), Ledger()
    standing(ledger, list(toy_space().enumerate())[:6], LOSSES, ACCURACIES)
    assert [at for _, at in conf.finished(ledger.records, 1)] == [(loss, 1.0) for loss in LOSSES]
