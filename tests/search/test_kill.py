"""kill -9 of a real run at random moments, the same command again, until it is finished: nothing lost, doubled or different."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from toy import measurements, strategy, toy_space

from search.launch.driver import next_proposal
from search.records import Ledger, events, read

TOY = str(Path(__file__).parent / "toy.py")
OPTIONS = {"name": "nsga2", "population": 4, "trials": 14}


def start(run_dir, launcher, workers, **options):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, TOY, str(run_dir), launcher, str(workers), json.dumps({**OPTIONS, **options})]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(run_dir, launcher, workers, **options):
    process = start(run_dir, launcher, workers, **options)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0, out
    return out


def count(run_dir):
    log = run_dir / "trials.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def kill_after(run_dir, lines, launcher, workers, *, with_signal=signal.SIGKILL, **options):
    """Start the run and stop its driver once the log has grown by so many lines, and a moment."""
    process = start(run_dir, launcher, workers, **options)
    before, deadline = count(run_dir), time.monotonic() + 60
    while count(run_dir) < before + lines and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    time.sleep(random.Random(lines).random() * 0.05)
    process.send_signal(with_signal)
    out, _ = process.communicate(timeout=60)
    return out


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


def reproduced(lines, options):
    """Each ask follows from the lines above it."""
    conf, space, ledger = strategy(**options), toy_space(), Ledger()
    for event in lines:
        if event["event"] == "asked":
            assert next_proposal(space, conf, ledger.records).arch.id == event["id"]
        ledger.apply(event)


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
def test_ray_survives_a_kill_and_then_ctrl_c(tmp_path):
    kill_after(tmp_path, 16, "ray", 2, step_s=0.1)
    assert not read(tmp_path).finished
    out = kill_after(tmp_path, 7, "ray", 2, with_signal=signal.SIGINT, step_s=0.1)
    assert "KeyboardInterrupt" in out
    assert not read(tmp_path).finished
    finish(tmp_path, "ray", 2)
    assert len(check(tmp_path, OPTIONS)) == 14


@pytest.mark.slow
def test_ray_with_a_lag_is_the_same_sequence_after_a_kill(tmp_path):
    lagged = {**OPTIONS, "lag": 2}
    kill_after(tmp_path / "ray", 12, "ray", 2, step_s=0.05, lag=2)
    finish(tmp_path / "ray", "ray", 2, lag=2)
    finish(tmp_path / "serial", "serial", 1, lag=2)
    assert proposals(check(tmp_path / "ray", lagged)) == proposals(check(tmp_path / "serial", lagged))


@pytest.mark.slow
def test_ray_with_one_worker_asks_what_serial_does_and_says_nothing_of_its_own(tmp_path, straight):
    out = finish(tmp_path, "ray", 1)
    assert proposals(check(tmp_path, OPTIONS)) == straight
    assert len(out.splitlines()) == 16, out
    assert out.startswith("1 trials at a time, each with 1 CPU")
    assert not list((tmp_path / "checkpoints").iterdir())
