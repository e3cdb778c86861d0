"""kill -9 of a real run at random moments, the same command again, until it is finished: nothing lost, doubled or different."""

import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from commands import Command
from toy import measurements, reproduced

from search.records import events, read

TOY = str(Path(__file__).parent / "toy.py")
OPTIONS = {"name": "nsga2", "population": 4, "trials": 14}


def start(run_dir, launcher, workers, **options):
    return Command(TOY, str(run_dir), launcher, str(workers), json.dumps({**OPTIONS, **options}))


def finish(run_dir, launcher, workers, **options):
    with start(run_dir, launcher, workers, **options) as command:
        return command.finish()


def count(run_dir):
    log = run_dir / "trials.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def kill_after(run_dir, lines, launcher, workers, *, with_signal=signal.SIGKILL, **options):
    """Start the run and stop its driver once the log has grown by so many lines, and a moment."""
    before = count(run_dir)
    with start(run_dir, launcher, workers, **options) as command:
        command.until(lambda: count(run_dir) >= before + lines)
        time.sleep(random.Random(lines).random() * 0.05)
        command.send(with_signal)
        return command.finish(code=1 if with_signal == signal.SIGINT else -with_signal)


def check(run_dir, options):
    """The invariants of a finished log."""
    records, lines = read(run_dir), list(events(run_dir / "trials.jsonl"))
    assert records.finished
    assert not records.running
    for kind in ("asked", "ended"):
        numbers = Counter(event["number"] for event in lines if event["event"] == kind)
        assert set(numbers) == set(range(len(records)))
        assert set(numbers.values()) == {1}
    assert set(Counter((e["number"], e["rung"]) for e in lines if e["event"] == "rung").values()) == {1}
    for record in records:
        assert [result.rung for result in record.results] == [0, 1, 2]
        for result in record.results:
            assert result.measurements == measurements(record.proposal.arch, record.proposal.seed, result.rung)
    trained = {path.name: path.read_text().count("\n") for path in (run_dir / "trained").iterdir()}
    assert set(trained.values()) <= {0, 1}, "a finished rung was trained again"  # 0: killed between the rename and the note
    reproduced(lines, options)
    return records


def proposals(records):
    return [record.proposal for record in records]


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The uninterrupted sequence, with one worker."""
    run_dir = tmp_path_factory.mktemp("straight")
    finish(run_dir, "serial", 1)
    return proposals(check(run_dir, OPTIONS))


def test_serial_survives_kills(tmp_path, straight):
    for lines in (3, 9, 14):
        kill_after(tmp_path, lines, "serial", 1, step_s=0.02)
        assert not read(tmp_path).finished
    finish(tmp_path, "serial", 1)
    assert proposals(check(tmp_path, OPTIONS)) == straight


@pytest.mark.slow
def test_ray_survives_a_kill_and_then_ctrl_c_and_with_a_lag_is_the_same_sequence(tmp_path):
    options = {"lag": 2, "step_s": 0.1}
    ray, serial = tmp_path / "ray", tmp_path / "serial"
    kill_after(ray, 16, "ray", 2, **options)
    assert not read(ray).finished
    out = kill_after(ray, 7, "ray", 2, with_signal=signal.SIGINT, **options)
    assert "KeyboardInterrupt" in out
    assert not read(ray).finished
    finish(ray, "ray", 2, lag=2)
    finish(serial, "serial", 1, lag=2)
    lagged = {**OPTIONS, "lag": 2}
    assert len(check(ray, lagged)) == 14
    assert proposals(check(ray, lagged)) == proposals(check(serial, lagged))


@pytest.mark.slow
def test_ray_with_one_worker_asks_what_serial_does_and_says_nothing_of_its_own(tmp_path, straight):
    out = finish(tmp_path, "ray", 1)
    assert proposals(check(tmp_path, OPTIONS)) == straight
    assert len(out.splitlines()) == 16, out
    assert out.startswith("1 trials at a time, each with 1 CPU")
    assert not list((tmp_path / "checkpoints").iterdir())
