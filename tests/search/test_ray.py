"""Lost workers and bugs under a real Ray. One Ray start takes seconds, so each test is one run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from search.records import read

TOY = str(Path(__file__).parent / "toy.py")


def run(run_dir, **options):
    environment = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, TOY, str(run_dir), "ray", "2", json.dumps({"trials": 6, **options})]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_lost_worker_is_tried_once_more(tmp_path):
    assert run(tmp_path, fault="once").returncode == 0
    records = read(tmp_path)
    assert any(record.proposal.arch.arch["a"] >= 3 for record in records)
    assert all(record.ok and len(record.results) == 3 for record in records)


@pytest.mark.slow
def test_a_worker_lost_twice_is_a_failed_trial(tmp_path):
    assert run(tmp_path, fault="die").returncode == 0
    for record in read(tmp_path):
        lost = record.proposal.arch.arch["a"] >= 3
        assert record.outcome.kind == ("failed" if lost else "ok")
        assert not lost or "worker lost twice" in record.outcome.reason


@pytest.mark.slow
def test_a_bug_stops_the_run(tmp_path):
    done = run(tmp_path, fault="raise")
    assert done.returncode == 1
    assert "TypeError: raised in the trial" in done.stderr
    assert read(tmp_path).bugs
    assert not read(tmp_path).finished
