"""Turns on a device, with real processes: measurements are alone and wait for steps under way only; a kill frees a lock."""

import json
import signal
from contextlib import ExitStack

import pytest
from commands import Command

from evaluators.turns import DeviceTurns, device_key, lock_folder

STEP_S = 0.25
GRACE_S = 0.25  # between noting that a measurement asks and the gate being shut; far less than four trainers could starve it for
HEAD = """
import json, sys, time
from pathlib import Path
from evaluators.turns import DeviceTurns
folder, name = Path(sys.argv[1]), sys.argv[2]
turns = DeviceTurns("cpu", folder)
log = (folder / f"{name}.log").open("a")
def note(kind, start):
    log.write(json.dumps([name, kind, start, time.monotonic()]) + "\\n")
    log.flush()
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
    script = folder / f"{name}.py"
    script.write_text(HEAD + body)
    return Command(str(script), str(folder), name)


def test_measurements_are_alone_and_not_starved_by_four_trainers(tmp_path):
    with ExitStack() as running:
        trainers = [running.enter_context(start(TRAINER, tmp_path, f"t{k}")) for k in range(4)]
        for k, trainer in enumerate(trainers):
            trainer.until((tmp_path / f"t{k}.log").exists)
        running.enter_context(start(MEASURER, tmp_path, "m")).finish(seconds=60)
        (tmp_path / "stop").touch()
        for trainer in trainers:
            trainer.finish()
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
    with start(HOLDER, tmp_path, "h") as holder:
        holder.until((tmp_path / "held").exists)
        holder.send(signal.SIGKILL)
        holder.finish(code=-signal.SIGKILL)
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
