"""Measuring on another machine: what Ray says where it does not come to it, as a user is told it."""

import pytest
import ray
from ray.exceptions import AuthenticationError, NodeDiedError, RayTaskError, WorkerCrashedError

from search.launch.ray import Board, RayTune


def raising(error):
    def raises(*args, **options):
        raise error

    return raises


@pytest.mark.parametrize(
    "refusal", [ConnectionError("Failed to connect to Ray cluster at a:1"), AuthenticationError("no token was found")]
)
def test_a_cluster_that_lets_nobody_in_without_a_token_says_how_it_is_given(tmp_path, monkeypatch, refusal):
    monkeypatch.setattr(ray, "init", raising(refusal))
    with pytest.raises(ValueError, match=r"launch\.address: cannot join 'a:1' .*RAY_AUTH_MODE=token .*RAY_AUTH_TOKEN=") as told:
        RayTune(address="a:1")._connect(tmp_path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (WorkerCrashedError(), "failed", "measuring worker lost twice: WorkerCrashedError: The worker died unexpectedly"),
        (NodeDiedError("its node is gone\nmore"), "failed", "measuring worker lost twice: NodeDiedError: its node is gone"),
        (RayTaskError("measured", "Traceback\nRuntimeError: a later start", RuntimeError()), "bug", "RuntimeError: a later start"),
    ],
)
def test_a_measurement_that_ray_could_not_run_says_what_it_was(monkeypatch, error, kind, said):
    board = Board.__new__(Board)
    board._running = {"task": 3}
    monkeypatch.setattr(ray, "wait", lambda tasks, **options: (tasks, []))
    monkeypatch.setattr(ray, "get", raising(error))
    ((number, (outcome,)),) = board.ended()
    assert (number, outcome.kind, board._running) == (3, kind, {})
    assert said in outcome.reason
