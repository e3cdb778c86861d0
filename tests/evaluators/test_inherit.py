"""Trials that begin with trained weights: what is taken, what is said of it, and what a trial leaves for others."""

from dataclasses import replace

import pytest
import torch

from evaluators.api import Job, Outcome
from evaluators.data.garments import Garments
from evaluators.evaluation import Evaluation
from evaluators.inherit import LEFT, PARENT, digest, inherit
from evaluators.latency.torch import Torch
from evaluators.schedule import Schedule
from evaluators.task.classification import Classification
from space import Arch, build
from space.weights import read


def arch(*mixers, head="norm_pool"):
    stages = {f"stage{n}": {"dim": 8, "depth": 1, "mixer": mixer} for n, mixer in enumerate(mixers, 1)}
    return Arch.make("metaformer", {**stages, "head": head})


POOLED = arch("pool", "pool", "pool", "pool")
SWAPPED = arch("pool", "pool", "depthwise", "pool")


@pytest.fixture
def evaluation(tmp_path):
    return Evaluation(
        baseline=POOLED,
        input_size=(64, 64),
        task=Classification(),
        data=Garments(),
        schedule=Schedule(rungs=[1, 2], image_size=32, width=1.0, sample_fraction=0.01, batch_size=20, threads=1),
        latency=Torch(device="cpu", threads=1, warmup_s=0, max_s=0.2),
        limits={},
        device="cpu",
        plugins=(),
        cache=tmp_path / "cache",
    )


def run(evaluation, arch, directory, *, parent=None, rung=2):
    *rungs, outcome = evaluation(Job(arch, 0, rung, directory, parent))
    assert outcome == Outcome("ok"), outcome.reason
    return rungs


@pytest.fixture
def checkpoint(evaluation, tmp_path):
    run(evaluation, POOLED, tmp_path / "trained")
    return tmp_path / "trained" / "rung_2.pt"


def test_our_own_checkpoint_is_read_back_as_the_network_that_it_is_of(checkpoint, evaluation):
    weights = read(checkpoint)
    assert (weights.arch, weights.classes, weights.image_size, weights.width) == (POOLED, 10, (32, 32), 1.0)
    again = evaluation.trainee(POOLED)
    assert inherit(again, checkpoint)["init_percent"] == 100
    assert digest(again) == digest(weights.network())


def test_a_candidate_says_what_it_began_with(checkpoint, evaluation, tmp_path):
    _, first, second = run(replace(evaluation, init=str(checkpoint)), SWAPPED, tmp_path / "swapped")
    assert 90 < first.measurements["init_percent"] < 100
    assert "stage3.blocks.*.mixer (depthwise here, pool in the checkpoint)" in first.measurements["init"]
    assert first.measurements["inherited_epochs"] == 0
    assert "init" not in second.measurements


def test_it_goes_on_from_there_and_not_from_chance(checkpoint, evaluation, tmp_path):
    state = torch.load(checkpoint, weights_only=True)["state"]["network"]
    slow = replace(evaluation, schedule=replace(evaluation.schedule, lr=1e-12), init=str(checkpoint))
    run(slow, POOLED, tmp_path / "again", rung=1)
    after = torch.load(tmp_path / "again" / "rung_1.pt", weights_only=True)["state"]["network"]
    assert all(torch.allclose(after[name], state[name], atol=1e-9) for name in state)


def test_a_checkpoint_of_a_fresh_start_is_not_adopted_by_one_with_weights(checkpoint, evaluation):
    fresh = run(evaluation, POOLED, checkpoint.parent)
    begun = run(replace(evaluation, init=str(checkpoint.rename(checkpoint.with_name("kept.pt")))), POOLED, checkpoint.parent)
    assert begun[2].measurements["train_loss"] != fresh[2].measurements["train_loss"]


def test_stopped_and_continued_equals_straight_through(checkpoint, evaluation, tmp_path):
    begun = replace(evaluation, init=str(checkpoint))
    straight = run(begun, SWAPPED, tmp_path / "straight")
    run(begun, SWAPPED, tmp_path / "stopped", rung=1)
    continued = run(begun, SWAPPED, tmp_path / "stopped")
    for name in ("loss", "train_loss", "top1"):
        assert continued[2].measurements[name] == straight[2].measurements[name]


def test_a_parent_leaves_weights_and_the_epochs_add_up(evaluation, tmp_path):
    family = replace(evaluation, init=PARENT)
    _, first, _ = run(family, POOLED, tmp_path / "0")
    assert "init" not in first.measurements  # nobody was there to inherit from
    _, child, _ = run(family, SWAPPED, tmp_path / "1", parent=tmp_path / "0")
    assert child.measurements["inherited_epochs"] == 2
    _, grandchild, _ = run(family, arch("pool", "identity", "depthwise", "pool"), tmp_path / "2", parent=tmp_path / "1")
    assert grandchild.measurements["inherited_epochs"] == 4
    left = torch.load(tmp_path / "0" / LEFT, weights_only=True)
    assert set(left["state"]) == {"network", "average"}  # no optimizer's state


def test_what_a_trial_left_stays_though_it_is_trained_further(evaluation, tmp_path):
    family = replace(evaluation, init=PARENT)
    run(family, POOLED, tmp_path / "0", rung=1)
    left = (tmp_path / "0" / LEFT).read_bytes()
    run(family, POOLED, tmp_path / "0", rung=2)
    assert (tmp_path / "0" / LEFT).read_bytes() == left
    run(
        replace(family, schedule=replace(family.schedule, lr=0.5)), POOLED, tmp_path / "0", rung=1
    )  # another training leaves its own
    assert (tmp_path / "0" / LEFT).read_bytes() != left


def test_the_moving_average_is_what_others_begin_with(evaluation, tmp_path):
    family = replace(evaluation, init=PARENT, schedule=replace(evaluation.schedule, ema=0.5))
    run(family, POOLED, tmp_path / "0")
    left = torch.load(tmp_path / "0" / LEFT, weights_only=True)["state"]
    weights = read(tmp_path / "0" / LEFT).state
    assert all(torch.equal(weights[name], tensor) for name, tensor in left["average"].items())
    assert any(not torch.equal(weights[name], tensor) for name, tensor in left["network"].items())


def test_a_file_of_no_use_is_refused_before_the_search(checkpoint, evaluation):
    assert "100 %" in replace(evaluation, init=str(checkpoint)).check()
    assert evaluation.check() == ""
    thin = replace(evaluation, init=str(checkpoint), schedule=replace(evaluation.schedule, width=4.0))
    with pytest.raises(ValueError, match=r"nothing of .* fits the baseline; .* has schedule\.width=1, here it is 4: 0 % of"):
        thin.check()
    with pytest.raises(ValueError, match="no file"):
        replace(evaluation, init="/nowhere/weights.pt").check()


def test_a_digest_is_of_the_values():
    torch.manual_seed(0)
    one = build(POOLED, 10, image_size=(32, 32))
    before = digest(one)
    assert len(before) == 40
    with torch.no_grad():
        one.head.classifier.bias[0] = 1e-6
    assert digest(one) != before
