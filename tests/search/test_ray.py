"""Lost workers and bugs under a real Ray (one Ray start takes seconds, so each test is one run), and what needs none."""

import importlib
import json
from pathlib import Path

import pytest
from commands import finished
from ray.exceptions import ActorDiedError, RayTaskError
from toy import reproduced

from evaluators.api import Outcome
from search.launch.ray import CHECKOUT, Ask, RayTune
from search.launch.resources import fits
from search.records import events, read

TOY = str(Path(__file__).parent / "toy.py")
OPTIONS = {"name": "nsga2", "population": 4, "trials": 4}  # the third and the fourth have a >= 3


@pytest.mark.parametrize(
    ("node", "cpu", "gpu", "trials"),
    [
        ({"CPU": 8.0}, 1.0, 0.0, 8),
        ({"CPU": 8.0}, 3.0, 0.0, 2),
        ({"CPU": 8.0}, 1.0, 1.0, 0),
        ({"CPU": 8.0, "GPU": 2.0}, 1.0, 0.5, 4),
        ({"CPU": 8.0, "GPU": 2.0}, 1.0, 0.4, 4),  # not 5: none spans two GPUs
        ({"CPU": 8.0, "GPU": 5.0}, 1.0, 2.0, 2),
        ({"CPU": 3.0, "GPU": 2.0}, 1.0, 0.1, 3),
        ({"CPU": 8.0}, 0.0, 0.0, 1),
    ],
)
def test_trials_that_fit_a_node(node, cpu, gpu, trials):
    assert fits(node, {"cpu": cpu, "gpu": gpu}) == trials


def test_more_workers_than_fit_are_not_asked_for_on_this_machine(monkeypatch):
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}}])
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 1.0})
    assert RayTune(workers=4).places() == 1
    assert RayTune(workers=4, gpus_per_trial=0.25).places() == 4
    assert RayTune(workers=4, address="auto").places() == 4
    assert RayTune(gpus_per_trial=0).places() == 8


def test_more_than_the_machine_has_is_refused_and_waited_for_on_a_cluster(monkeypatch):
    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": True, "Resources": {"CPU": 8.0, "GPU": 1.0}}])
    with pytest.raises(ValueError, match=r"asks for 2 CPU, 2 GPU .* allowed: what this machine has, 8 CPU, 1 GPU"):
        RayTune(gpus_per_trial=2).lacking()
    assert "offers 2 CPU, 2 GPU" in RayTune(gpus_per_trial=2, address="auto").lacking()
    assert not RayTune(gpus_per_trial=1).lacking()


def test_a_cluster_gets_the_plugins_that_do_not_travel_with_the_checkout(tmp_path, monkeypatch):
    (tmp_path / "shrubs").mkdir()
    for file in ("moss.py", "shrubs/__init__.py", "shrubs/box.py"):
        (tmp_path / file).touch()
    example = CHECKOUT / "docs" / "example_project"  # inside of the checkout, but not where its modules are imported from
    for folder in (tmp_path, example):
        monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    shipped = RayTune(address="auto", plugins=["moss", "shrubs.box", "garden", "report"])._shipped()
    assert shipped["working_dir"] == str(CHECKOUT)
    assert shipped["py_modules"] == [str(example / "garden.py"), str(tmp_path / "moss.py"), str(tmp_path / "shrubs")]


def test_a_worker_that_cannot_be_set_up_is_a_bug_and_one_that_dies_a_failure():
    told = []

    class Told:
        def tell(self, number, event):
            told.append(event)

    ask = Ask(Told(), RayTune())
    ask._numbers = {"a": 0, "b": 1}
    ask.broke("a", ActorDiedError(), "lost")
    raised = RayTaskError("__init__", "ModuleNotFoundError: garden", ModuleNotFoundError("garden"))
    ask.broke("b", ActorDiedError.from_task_error(raised), "ModuleNotFoundError: garden")
    assert [event.kind for event in told] == ["failed", "bug"]
    assert told[1] == Outcome("bug", "ModuleNotFoundError: garden")


def run(run_dir, *, code=0, **options):
    return finished(TOY, str(run_dir), "ray", "2", json.dumps({**OPTIONS, **options}), code=code)


@pytest.mark.slow
def test_a_lost_worker_is_tried_once_more_then_failed(tmp_path):
    run(tmp_path, fault="die")
    records = read(tmp_path)
    reproduced(events(tmp_path / "trials.jsonl"), OPTIONS)
    lost = [record for record in records if record.proposal.arch.arch["a"] >= 3]
    again = [record for record in records if record.proposal.arch.arch["b"] % 2 and record not in lost]
    assert lost
    assert again
    for record in records:
        assert record.outcome.kind == ("failed" if record in lost else "ok")
        assert record not in lost or "worker lost twice" in record.outcome.reason
        assert [result.rung for result in record.results] == ([0] if record in lost else [0, 1, 2])


@pytest.mark.slow
def test_rung_0_is_measured_where_the_resource_is_and_lost_twice_is_failed(tmp_path):
    run(tmp_path, resource="edge_board", fault="die")
    records = read(tmp_path)
    assert {record.outcome.kind for record in records} == {"ok", "failed"}
    for record in records:
        assert [result.rung for result in record.results] == ([0, 1, 2] if record.ok else [0] * len(record.results))


@pytest.mark.slow
def test_a_resource_that_no_node_offers_ends_the_run_at_once(tmp_path):
    said = run(tmp_path, resource="edge_bord", code=1)
    assert "no node of this Ray offers 'edge_bord'" in said
    assert "Did you mean 'edge_board'?" in said
    assert not len(read(tmp_path))


@pytest.mark.slow
def test_a_bug_stops_the_run(tmp_path):
    assert "TypeError: raised in the trial" in run(tmp_path, fault="raise", code=1)
    assert read(tmp_path).bugs
    assert not read(tmp_path).finished
