"""The command line as a stranger uses it: in another folder, with a project of his own, stopped and continued."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import Command, finished, surroundings

ROOT = Path(__file__).parents[1]
HEDGE = ["--config-dir", "conf", "+space=hedge", "experiment=hedge", "schedule=smoke", "latency.max_s=0.2", "latency.warmup_s=0"]


@pytest.fixture
def project(tmp_path):
    """A copy of the project that docs/extending.md shows."""
    return Path(shutil.copytree(ROOT / "docs" / "example_project", tmp_path / "project"))


def start(project, *arguments):
    """The command in the project's folder, which knows nothing of this checkout but that it is installed."""
    return Command("run_search", *arguments, folder=project, CUDA_VISIBLE_DEVICES="")


def finish(project, *arguments, program="run_search", code=0):
    return finished(program, *arguments, folder=project, code=code, CUDA_VISIBLE_DEVICES="")


def log_of(project, run):
    return [json.loads(line) for line in (project / "results" / "hedge" / run / "trials.jsonl").read_text().splitlines()]


def test_a_project_of_ones_own_searches_extends_and_retrains(project):
    command = [sys.executable, "-m", "run_search", *HEDGE, "launch=serial", "search.trials=3", "run=mine"]
    environment = {**os.environ, **surroundings(), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "Report: " in done.stdout
    run = project / "results" / "hedge" / "mine"
    assert all((run / name).stat().st_size for name in ("config.yaml", "front.csv", "front.png", "report.html"))
    begun = log_of(project, "mine")
    assert sum(event["event"] == "ended" for event in begun) == 3

    finish(project, *HEDGE, "launch=serial", "search.trials=5", "run=mine")
    longer = log_of(project, "mine")
    assert [e for e in longer if e["event"] in ("asked", "rung", "ended")][: 3 * 5] == [
        e for e in begun if e["event"] in ("asked", "rung", "ended")
    ]
    assert sum(event["event"] == "ended" for event in longer) == 5

    refused = finish(project, *HEDGE, "launch=serial", "run=mine", "schedule.lr=0.5", code=1)
    assert "schedule.lr: it began with" in refused
    assert "run=<other name>" in refused

    winner = next((run / "arches").glob("*.yaml"))
    retrain = ["search=archs", f"search.archs=[{winner.relative_to(project)}]", "run=again"]
    finish(project, *HEDGE[:3], "plugins=[garden]", *HEDGE[4:], "launch=serial", *retrain)
    baseline = next(event["id"] for event in begun if event["event"] == "asked")
    expected = 1 if winner.stem.endswith(baseline[:8]) else 2  # the baseline first, then the winner where it is another
    assert sum(event["event"] == "ended" for event in log_of(project, "again")) == expected

    again = finish(project, "results/hedge/mine", program="report")
    assert "hedge" in again


def test_multirun_gives_each_job_a_run_of_its_own(project):
    finish(project, *HEDGE, "launch=serial", "search.trials=2", "-m", "search.seed=0,1", "search=random,nsga2")
    runs = [folder for folder in (project / "results" / "hedge").iterdir() if (folder / "report.html").is_file()]
    assert len(runs) == 4


def test_a_misspelt_key_stops_before_anything_starts(project):
    said = finish(project, *HEDGE, "serach.trials=2", code=1)
    assert "Did you mean 'search.trials'?" in said
    assert not (project / "results").exists()


def test_control_c_leaves_an_unfinished_report_and_the_way_on(project):
    path = project / "results" / "hedge" / "stopped" / "trials.jsonl"
    with start(project, *HEDGE, "launch=serial", "search.trials=40", "run=stopped") as command:
        command.until(lambda: path.is_file() and path.read_text().count('"ended"') >= 2)
        command.send(signal.SIGINT)
        said = command.finish(code=130)
    assert "goes on from here: python -m run_search" in said
    assert (path.parent / "report.html").stat().st_size


def test_killed_under_ray_the_same_command_finishes_the_run(project):
    arguments = [*HEDGE, "search.trials=4", "launch.workers=2", "run=killed"]
    path = project / "results" / "hedge" / "killed" / "trials.jsonl"
    with start(project, *arguments) as command:
        command.until(lambda: path.is_file() and '"ended"' in path.read_text())
        command.send(signal.SIGKILL)
        command.finish(code=-signal.SIGKILL)
    finish(project, *arguments)
    events = log_of(project, "killed")
    asked = [event["number"] for event in events if event["event"] == "asked"]
    rungs = [(event["number"], event["rung"]) for event in events if event["event"] == "rung"]
    assert asked == list(range(4))
    assert sorted(event["number"] for event in events if event["event"] == "ended") == asked
    assert len(rungs) == len(set(rungs)) == 4 * 3
