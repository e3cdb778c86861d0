"""Turns on a device, with real processes: measurements are alone and wait for steps under way only; a kill frees a lock."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evaluators.turns import DeviceTurns, device_key, lock_folder

STEP_S = 0.25
GRACE_S = 0.1  # between noting that a measurement asks and the gate being shut
ROOT = Path(__file__).parents[2]
HEAD = f"""
import json, sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from evaluators.turns import DeviceTurns
folder, name = Path(sys.argv[1]), sys.argv[2]
turns = DeviceTurns("cpu", folder)
log = (folder / f"{{name}}.log").open("a")
def note(kind, start):
    log.write(json.dumps([name, kind, start, time.monotonic()]) + "\\n")
    log.flush()
(folder / f"{{name}}.ready").touch()
"""
TRAINER = f"""
while not (folder / "stop").exists():
    with turns.training_step():
        start = time.monotonic()
        time.sleep({STEP_S})
        note("step", start)
"""
MEASURER = """
for _ in range(3):
    asked = time.monotonic()
    with turns.measuring():
        start = time.monotonic()
        note("wait", asked)
        time.sleep(0.1)
        note("measure", start)
"""
HOLDER = """
with turns.measuring():
    (folder / "held").touch()
    time.sleep(600)
"""


def start(body, folder, name):
    return subprocess.Popen([sys.executable, "-c", HEAD + body, str(folder), name])


def wait_for(*paths):
    limit = time.monotonic() + 60
    while not all(path.exists() for path in paths):
        assert time.monotonic() < limit, f"not there after a minute: {paths}"
        time.sleep(0.02)


def test_measurements_are_alone_and_not_starved_by_four_trainers(tmp_path):
    trainers = [start(TRAINER, tmp_path, f"t{k}") for k in range(4)]
    wait_for(*[tmp_path / f"t{k}.log" for k in range(4)])
    assert start(MEASURER, tmp_path, "m").wait(timeout=60) == 0
    (tmp_path / "stop").touch()
    assert [trainer.wait(timeout=60) for trainer in trainers] == [0] * 4
    events = [json.loads(line) for path in tmp_path.glob("*.log") for line in path.read_text().splitlines()]
    steps = [event for event in events if event[1] == "step"]
    measures = [event for event in events if event[1] == "measure"]
    assert len(measures) == 3
    for _, _, begun, done in measures:
        assert not [step for step in steps if step[2] < done and step[3] > begun]
    for _, _, asked, got in [event for event in events if event[1] == "wait"]:
        assert not [step for step in steps if asked + GRACE_S < step[2] < got]


def test_steps_run_beside_each_other(tmp_path):
    first, second = DeviceTurns("cpu", tmp_path), DeviceTurns("cpu", tmp_path)
    with first.training_step(), second.training_step():
        pass


def test_a_killed_holder_frees_the_device(tmp_path):
    holder = start(HOLDER, tmp_path, "h")
    wait_for(tmp_path / "held")
    holder.kill()
    holder.wait(timeout=60)
    with DeviceTurns("cpu", tmp_path).measuring():
        pass


def test_an_error_within_a_turn_gives_it_back(tmp_path):
    turns = DeviceTurns("cpu", tmp_path)
    for turn in (turns.measuring, turns.training_step):
        with pytest.raises(RuntimeError, match="mine"), turn():
            raise RuntimeError("mine")
    with turns.measuring():
        pass


def test_locks_are_named_by_the_device_and_kept_per_user():
    assert device_key("cpu") == "cpu"
    assert lock_folder().stat().st_mode & 0o077 == 0
