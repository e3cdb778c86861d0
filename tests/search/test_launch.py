import contextlib
import json
import signal

import pytest
from toy import Evaluate, strategy, toy_space

from evaluators.api import Outcome, RungResult
from search.launch import LAUNCHERS
from search.launch.driver import Driver, TrialError, next_proposal, steps
from search.launch.fence import hold_fence, raise_fence
from search.launch.serial import Interrupt
from search.progress import Progress
from search.records import Ledger, Log, Proposal, events, read


def run(run_dir, *, fault="", evaluate=None, **options):
    conf = strategy(**options)
    with Log.open(run_dir) as log:
        log.started({})
        progress = Progress(conf.trials, goals=conf.goals, last=conf.rung)
        return LAUNCHERS["serial"]().run(toy_space(), conf, evaluate or Evaluate(fault=fault), log, progress=progress)


def test_a_run_ends_with_every_trial_ended_once(tmp_path):
    assert run(tmp_path) == "12 members trained"
    records = read(tmp_path)
    assert [record.outcome.kind for record in records] == ["ok"] * 12
    assert [[result.rung for result in record.results] for record in records] == [[0, 1, 2]] * 12
    assert records.finished


def test_asked_is_on_disk_before_the_trial_starts(tmp_path):
    seen = []

    def evaluate(job):
        last = list(events(tmp_path / "trials.jsonl"))[-1]
        seen.append((last["event"], last["id"]) == ("asked", job.arch.id))
        yield Outcome("ok")

    run(tmp_path, evaluate=evaluate, trials=3)
    assert seen == [True] * 3


@pytest.mark.parametrize("kind", ["infeasible", "failed"])
def test_other_outcomes_are_logged_with_their_reason(tmp_path, kind):
    run(tmp_path, fault=kind)
    others = [record for record in read(tmp_path) if not record.ok]
    assert others
    assert all(record.outcome == Outcome(kind, f"a {record.proposal.arch.arch['a']} >= 3") for record in others)


@pytest.mark.parametrize(
    ("fault", "text"), [("bug", "a . >= 3"), ("raise", "TypeError: raised in the trial"), ("none", "without an outcome")]
)
def test_a_bug_stops_the_run_and_the_next_start_tries_the_trial_again(tmp_path, fault, text):
    with pytest.raises(TrialError, match=text):
        run(tmp_path, fault=fault)
    stopped = read(tmp_path)
    assert len(stopped.running) == 1
    assert len(stopped.bugs) == 1
    assert not stopped.finished
    number = stopped.running[0].number
    run(tmp_path)
    assert read(tmp_path)[number].ok
    assert len(read(tmp_path)) == 12


def test_the_same_command_again_extends_or_does_nothing(tmp_path):
    run(tmp_path, trials=5)
    before = [record.proposal for record in read(tmp_path)]
    assert run(tmp_path, trials=5) == "5 members trained"
    assert [record.proposal for record in read(tmp_path)] == before
    run(tmp_path, trials=9)
    assert [record.proposal for record in read(tmp_path)][:5] == before
    run(tmp_path / "straight", trials=9)
    assert [r.proposal for r in read(tmp_path)] == [r.proposal for r in read(tmp_path / "straight")]


def test_every_ask_is_reproduced_from_the_lines_above_it(tmp_path):
    run(tmp_path, name="nsga2", population=3, trials=14)
    conf, space, ledger, asks = strategy("nsga2", population=3, trials=14), toy_space(), Ledger(), 0
    for event in events(tmp_path / "trials.jsonl"):
        if event["event"] == "asked":
            asks += 1
            assert next_proposal(space, conf, ledger.records).arch.id == event["id"]
        ledger.apply(event)
    assert asks == 14


def test_checkpoints_that_nothing_continues_are_deleted(tmp_path):
    for name in "ab":
        (tmp_path / name / "checkpoints" / "teacher0").mkdir(parents=True)
    run(tmp_path / "a", trials=3)
    assert not list((tmp_path / "a" / "checkpoints").iterdir())
    run(tmp_path / "b", trials=3, keep=True)
    assert sorted(path.name for path in (tmp_path / "b" / "checkpoints").iterdir()) == ["0", "1", "2", "teacher0"]


def test_ctrl_c_leaves_a_whole_log_that_goes_on(tmp_path):
    done = []

    def evaluate(job):
        if len(done) == 4:
            yield RungResult(0, {"latency_ms": 1.0})
            raise KeyboardInterrupt
        done.append(job)
        yield from Evaluate()(job)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, evaluate=evaluate)
    assert len(read(tmp_path).running) == 1
    run(tmp_path)
    records = read(tmp_path)
    assert not records.running
    assert [result.rung for result in records[4].results] == [0, 1, 2]


def test_steps_stop_at_the_first_outcome():
    def evaluate(job):
        yield Outcome("ok")
        yield RungResult(1, {})

    assert list(steps(evaluate, None)) == [Outcome("ok")]


def test_the_fence_shuts_out_workers_of_an_earlier_start(tmp_path):
    first = raise_fence(tmp_path, print)
    second = raise_fence(tmp_path, print)
    with pytest.raises(RuntimeError, match="took over"):
        hold_fence(tmp_path, first)
    assert first != second


def test_a_relaunch_comes_before_new_asks(tmp_path):
    conf, space = strategy(trials=4), toy_space()
    with Log.open(tmp_path) as log:
        progress = Progress(4, goals=conf.goals, last=conf.rung)
        driver = Driver(space, conf, log, progress=progress)
        first, second = driver.next(), driver.next()
        driver.tell(second.number, Outcome("ok"))
        again = Driver(space, conf, log, progress=progress)
        assert again.next() == first
        assert again.next().number == 2


def test_a_strategy_that_waits_is_asked_again_only_after_an_event(tmp_path, monkeypatch):
    asks = []
    monkeypatch.setattr("search.launch.driver.next_proposal", lambda *given: asks.append(given))
    conf = strategy(trials=4)
    with Log.open(tmp_path) as log:
        log.asked(Proposal(toy_space().baseline, 0, 2), ask_s=0)
        driver = Driver(toy_space(), conf, log, progress=Progress(4, goals=conf.goals, last=conf.rung))
        assert driver.next().number == 0
        assert [driver.next() for _ in range(3)] == [None] * 3
        assert len(asks) == 1
        driver.tell(0, Outcome("ok"))
        assert driver.next() is None
        assert len(asks) == 2


def test_conf_errors():
    with pytest.raises(ValueError, match=r"launch\.workers: -1 given"):
        LAUNCHERS["ray"](workers=-1)
    with pytest.raises(ValueError, match=r"launch\.gpus_per_trial: 1\.5 given"):
        LAUNCHERS["ray"](gpus_per_trial=1.5)


def test_log_lines_are_json(tmp_path):
    run(tmp_path, trials=2)
    kinds = [json.loads(line)["event"] for line in (tmp_path / "trials.jsonl").read_text().splitlines()]
    assert kinds == ["started", *(["asked", "rung", "rung", "rung", "ended"] * 2), "finished"]


def test_an_interrupt_that_python_dropped_is_heeded_at_the_next_event():
    with Interrupt() as interrupt:
        with contextlib.suppress(KeyboardInterrupt):  # as a finalizer does
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            interrupt.heed()
