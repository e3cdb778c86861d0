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
    command = [sys.executable, TOY, str(run_dir), "ray", "2", json.dumps({"trials": 8, **options})]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.slow
def test_a_lost_worker_is_tried_once_more_then_failed(tmp_path):
    done = run(tmp_path, fault="die")
    assert done.returncode == 0, done.stderr
    records = read(tmp_path)
    lost = [record for record in records if record.proposal.arch.arch["a"] >= 3]
    again = [record for record in records if record.proposal.arch.arch["b"] % 2 and record not in lost]
    assert lost
    assert again
    for record in records:
        assert record.outcome.kind == ("failed" if record in lost else "ok")
        assert record not in lost or "worker lost twice" in record.outcome.reason
        assert [result.rung for result in record.results] == ([0] if record in lost else [0, 1, 2])


@pytest.mark.slow
def test_a_bug_stops_the_run(tmp_path):
    done = run(tmp_path, fault="raise")
    assert done.returncode == 1
    assert "TypeError: raised in the trial" in done.stderr
    assert read(tmp_path).bugs
    assert not read(tmp_path).finished
