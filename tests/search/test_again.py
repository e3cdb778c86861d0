"""Measuring again: predictions on the front, measurements beside a slow baseline; and measuring elsewhere. Serial, on the toy."""

from dataclasses import replace

import pytest
from toy import Evaluate, strategy, toy_space

from evaluators.api import Outcome, RungResult
from search.launch import LAUNCHERS
from search.launch.again import AGAIN, doubtful, due, slowdowns
from search.launch.driver import Driver
from search.launch.elsewhere import Elsewhere
from search.progress import Progress
from search.records import Log, events, read

BASELINE_MS = 100.0


class Timed:
    """The toy, each latency beside a baseline's: `slow` trials' baseline takes three times as long and their ratio comes out wrong;
    `predicted` says every latency a hundredth too low. `again` are the jobs that measured once more."""

    def __init__(self, *, slow=(), predicted=False, outcome=None):
        self.slow, self.predicted, self.outcome, self.again = slow, predicted, outcome, []

    def __call__(self, job):
        trial = int(job.directory.name)
        self.again += [trial] * job.again
        for event in Evaluate()(replace(job, again=False)):
            if isinstance(event, RungResult) and event.rung == 0:
                event = RungResult(0, self.timed(event.measurements, job, trial))
            yield self.outcome if self.outcome and job.again and isinstance(event, Outcome) else event

    def timed(self, measured, job, trial):
        slow, guess = trial in self.slow and not job.again, self.predicted and not job.again
        ms = measured["latency_ms"] * (2 if slow else 0.99 if guess else 1)
        beside = {"latency_ms": ms, "latency_ratio": ms / BASELINE_MS, "baseline_latency_ms": BASELINE_MS * (3 if slow else 1)}
        return {**measured, **beside, "latency_predicted": int(guess)}


def run(run_dir, evaluate, **options):
    conf = strategy(**options)
    with Log.open(run_dir) as log:
        log.started({})
        progress = Progress(conf.trials, goals=conf.goals, last=conf.rung)
        LAUNCHERS["serial"]().run(toy_space(), conf, evaluate, log, progress=progress)
    return read(run_dir), conf


@pytest.mark.parametrize("name", ["random", "paredown", "promote"])
def test_no_member_of_the_front_is_left_predicted(tmp_path, name):
    evaluate = Timed(predicted=True)
    records, conf = run(tmp_path, evaluate, name=name)
    front = records.front(conf.goals, conf.rung)
    assert all(record.measurements["latency_predicted"] == 0 for record in front)
    assert sorted(evaluate.again) == sorted(set(evaluate.again))
    assert {record.trial for record in front} <= set(evaluate.again)
    assert len(evaluate.again) < len({record.trial for record in records})  # those that no measurement would put there stay


def test_beside_a_slow_baseline_it_is_measured_again_once_the_machine_is_quiet(tmp_path):
    evaluate = Timed(slow=(6,))
    records, _ = run(tmp_path, evaluate)
    assert evaluate.again == [6]
    order = [(e["event"], e.get("number")) for e in events(tmp_path / "trials.jsonl")]
    assert order.index(("ended", 6)) < order.index(("ended", 7)) < order.index(("measured", 6)) < order.index(("ended", 8))
    plain, _ = run(tmp_path / "undisturbed", Timed())
    assert records[6].measurements["latency_ratio"] == plain[6].measurements["latency_ratio"]
    assert records[6].measurements[AGAIN] == 1
    assert records[6].measurements["miou"] == plain[6].measurements["miou"]
    assert doubtful(slowdowns(records)) == []


def test_what_is_last_of_all_is_measured_again_at_the_end(tmp_path):
    evaluate = Timed(slow=(11,))
    run(tmp_path, evaluate)
    assert evaluate.again == [11]
    assert [e["event"] for e in events(tmp_path / "trials.jsonl")][-2:] == ["measured", "finished"]
    run(tmp_path, evaluate)  # the same command finds nothing more to do
    assert evaluate.again == [11]


def test_a_second_measurement_that_fails_leaves_the_first(tmp_path):
    evaluate = Timed(slow=(11,), outcome=Outcome("failed", "worker lost"))
    records, _ = run(tmp_path, evaluate)
    assert evaluate.again == [11]
    assert (records[11].ok, AGAIN in records[11].measurements) == (True, False)


def test_over_a_limit_when_measured_again_it_is_out(tmp_path):
    evaluate = Timed(slow=(11,), outcome=Outcome("infeasible", "latency_ms 9 is over its limit"))
    records, conf = run(tmp_path, evaluate)
    assert records[11].outcome.reason == "over a limit when measured again: latency_ms 9 is over its limit"
    assert records[11] not in records.front(conf.goals, conf.rung)
    assert records.trained(conf.rung) == 12


def test_while_a_trial_trains_on_it_is_not_measured_again(tmp_path):
    """Found over a limit it would be out, and its training would end well all the same."""
    records, conf = run(tmp_path, Timed(slow=(6,), outcome=Outcome("failed", "not yet")))
    assert [record.trial for record in due(records, conf.goals, conf.rung, over=False)] == [6]
    further = replace(records[6], number=len(records), results=(), outcome=None, ended_at=None)
    assert due(replace(records, items=(*records.items, further)), conf.goals, conf.rung, over=False) == []


def test_a_slow_machine_is_not_quiet_whatever_became_of_the_trial(tmp_path):
    records, conf = run(tmp_path, Timed(slow=(6, 11), outcome=Outcome("failed", "not yet")))
    refused = replace(records[11], outcome=Outcome("infeasible", "latency_ms is over its limit"))
    assert due(replace(records, items=(*records.items[:11], refused)), conf.goals, conf.rung, over=False) == []


def test_each_backends_predictions_are_told_apart(tmp_path):
    """Those of a further backend are measured at the end; another machine's cannot be, and its baseline tells nothing of this."""
    records, conf = run(tmp_path, Timed())
    front = records.front(conf.goals, conf.rung)

    def with_board(**marks):
        board = {"latency_board_ms": 3.0, "latency_board_ratio": 0.5, "baseline_latency_board_ms": 6.0}
        items = [replace(r, measurements={**r.measurements, **board, **marks}) for r in records]
        items[2] = replace(items[2], measurements={**items[2].measurements, "baseline_latency_board_ms": 60.0})
        return replace(records, items=tuple(items))

    def asked(**marks):
        return [record.trial for record in due(with_board(**marks), conf.goals, conf.rung, over=True)]

    assert asked() == [2]
    assert asked(latency_board_predicted=1) == [record.trial for record in front]
    assert asked(latency_board_predicted=1, latency_board_away=1) == asked(latency_board_away=1) == []


class Faraway:
    """Runs rung 0 of jobs in this process; what is done is told a call later."""

    devices = 2

    def __init__(self, evaluate):
        self.evaluate, self.running, self.most = evaluate, [], 0

    def start(self, number, job):
        self.running.append((number, list(self.evaluate(replace(job, rung=0)))))
        self.most = max(self.most, len(self.running))

    def ended(self):
        ended, self.running = self.running, []
        return ended


@pytest.mark.parametrize("fault", ["", "infeasible", "failed"])
def test_measured_elsewhere_a_run_is_what_it_is_here(tmp_path, fault):
    conf, evaluate = strategy(), Evaluate(fault=fault)
    with Log.open(tmp_path) as log:
        log.started({})
        driver = Driver(toy_space(), conf, log, progress=Progress(conf.trials, goals=conf.goals, last=conf.rung))
        remote = Faraway(evaluate)
        away = Elsewhere(driver, remote)
        ahead = 0
        while (record := away.next()) is not None or away.busy:
            ahead = max(ahead, len(driver.log.records.running) - (record is not None))
            for event in evaluate(driver.job(record)) if record else ():
                driver.tell(record.number, event)
        driver.finish()
    records = read(tmp_path)
    assert remote.most == 2
    assert ahead == 2  # a slow training is not run away from: what is asked later knows more
    assert all(record.outcome for record in records)
    assert records.trained(conf.rung) == 12
    assert [[r.rung for r in record.results] for record in records if record.ok] == [[0, 1, 2]] * sum(r.ok for r in records)
