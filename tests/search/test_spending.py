"""What is charged, on logs written by hand."""

import pytest
from toy import strategy, toy_space

from search.records import Ledger, Proposal
from search.spending import Budget, epochs

RUNGS = [1, 3, 9]
MEMBERS = list(toy_space().enumerate())


class Log(Ledger):
    def ask(self, member, rung, *, trial=None, seed=0):
        number, arch = len(self), MEMBERS[member]
        event = {"event": "asked", "number": number, "continues": trial, "seed": seed, "rung": rung, "ask_s": 0.0}
        self.apply({**event, "arch": {"network": arch.network, "arch": arch.arch}})
        return number

    def end(self, number, kind="ok", rungs=(0, 1)):
        for rung in rungs:
            self.apply({"event": "rung", "number": number, "rung": rung, "measurements": {"latency_ms": 1.0}})
        self.apply({"event": "ended", "number": number, "kind": kind, "reason": ""})


def test_a_continued_trial_is_charged_the_difference_unless_rungs_are_separate():
    log = Log()
    log.end(log.ask(0, 1))
    log.end(log.ask(0, 2, trial=0))
    log.ask(0, 3, trial=1)  # running, and naming the last ask of its trial
    assert epochs(log.records, RUNGS) == 9
    assert epochs(log.records, RUNGS, separate=True) == 1 + 3 + 9


def test_what_never_trained_is_free_and_a_failed_training_is_not():
    log = Log()
    log.end(log.ask(0, 0), rungs=(0,))
    log.end(log.ask(1, 3), "infeasible", rungs=(0,))
    log.end(log.ask(2, 3), "failed", rungs=())  # could not be built
    assert epochs(log.records, RUNGS) == 0
    running = log.ask(3, 3)
    assert epochs(log.records, RUNGS) == 9
    log.end(running, "failed", rungs=(0,))
    assert epochs(log.records, RUNGS) == 9
    log.ask(0, 1, trial=0)  # measured before, trained now
    assert epochs(log.records, RUNGS) == 10


@pytest.mark.parametrize(("text", "left"), [("2 full", True), ("1.9 full", False), ("18 epochs", True), ("17 epochs", False)])
def test_a_budget_pays_to_its_last_epoch(text, left):
    log = Log()
    log.ask(0, 3)
    assert Budget.parse(text).pays(log.records, [Proposal(MEMBERS[1], 0, 3)], RUNGS) is left
    assert Budget.parse(text).pays(log.records, [Proposal(MEMBERS[1], 0, 1)], RUNGS)


def test_trials_are_members_however_far_they_go():
    budget, log = Budget.parse("2 trials"), Log()
    log.end(log.ask(0, 1))
    log.ask(1, 1)
    assert not budget.pays(log.records, [Proposal(MEMBERS[2], 0, 1)], RUNGS)
    assert budget.pays(log.records, [Proposal(MEMBERS[0], 0, 2, trial=0)], RUNGS)
    assert budget.spent(log.records, RUNGS) == 2


def test_hours_are_those_of_every_start_without_the_time_between():
    log = Log()
    for kind, at in (("started", 100), ("finished", 1900), ("started", 90_000), ("finished", 91_800)):
        log.apply({"event": kind, "at": at, "reason": ""})
    assert log.records.elapsed_s == 3600
    one = Proposal(MEMBERS[0], 0, 3)
    assert Budget.parse("1.01 hours").pays(log.records, [one], RUNGS)
    assert not Budget.parse("1 hours").pays(log.records, [one], RUNGS)


def test_epochs_need_rungs():
    with pytest.raises(ValueError, match=r"search\.budget: 3 full given, but nothing is trained"):
        strategy(budget="3 full", rungs=[]).ask(toy_space(), Log().records, None)
