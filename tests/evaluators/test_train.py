"""Training: stopped and continued equals straight through; whole checkpoints are adopted, torn or alien ones are not."""

import contextlib
import dataclasses

import pytest
import torch
from torch import nn

from evaluators.data import DATA
from evaluators.schedule import Schedule
from evaluators.task import TASKS
from evaluators.train import TrialFailed, seeded, train

DATA_SET = DATA["scenes"](train_count=24, val_count=6)
TASK = TASKS["segmentation"]()
SCHEDULE = Schedule(
    rungs=[1, 2, 4], image_size=16, batch_size=8, lr=5e-3, lr_schedule="cosine", warmup_steps=2, threads=1, clip_norm=1.0
)
TIMES = {"train_s", "score_s", "images_per_s"}


def network(seed=0, bias=0.0):
    """A few convolutions with everything that carries state: batch norm, dropout, a decoder."""
    with seeded(seed):
        body = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout2d(0.2))
        made = nn.Sequential()
        made.add_module("stage1", body)
        made.add_module("decoder", nn.Conv2d(8, 5, 1))
        nn.init.constant_(made.decoder.bias, bias)
    return made


def run(directory, *, rung=3, seed=0, schedule=SCHEDULE, net=None, step_turn=contextlib.nullcontext):
    made = net or network(seed)
    results = list(
        train(made, TASK, DATA_SET, schedule, seed=seed, rung=rung, directory=directory, device="cpu", step_turn=step_turn)
    )
    return results, made


def scores(results):
    """(rung, measurements that do not depend on the clock)."""
    return [(r.rung, {k: v for k, v in r.measurements.items() if k not in TIMES}) for r in results]


def weights(directory, rung):
    return torch.load(directory / f"rung_{rung}.pt", weights_only=True)["state"]


def same(left, right):
    return all(torch.equal(left[k], right[k]) for k in left)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_rung_by_rung_equals_straight_through(tmp_path, ema):
    schedule = Schedule(**{**SCHEDULE.__dict__, "ema": ema})
    straight, _ = run(tmp_path / "a", schedule=schedule)
    for rung in (1, 2, 3):
        torch.rand(rung)  # another process has drawn other numbers
        pieces, _ = run(tmp_path / "b", rung=rung, schedule=schedule)
    assert scores(pieces) == scores(straight)
    one, other = weights(tmp_path / "a", 3), weights(tmp_path / "b", 3)
    assert same(one["network"], other["network"])
    assert same(one["average"], other["average"])
    assert bool(one["average"]) == bool(ema)


class FewGarments(DATA["garments"]):
    """With twelve validation images, for speed."""

    def val_set(self, size):
        return dataclasses.replace(super().val_set(size), chosen=tuple(range(12)))


def classifier():
    with seeded(0):
        return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Dropout2d(0.2), nn.Flatten(), nn.Linear(8 * 64, 10))


def test_a_mixed_and_augmented_classification_continues_as_it_would_have_gone_on(tmp_path):
    recipe = {
        "sample_fraction": 0.005,
        "area": [0.2, 1.0],
        "randaugment": 9,
        "erasing": 0.5,
        "mixup": 0.8,
        "cutmix": 1.0,
        "ema": 0.9,
    }
    schedule = dataclasses.replace(SCHEDULE, **recipe)

    def results(directory, rung, schedule=schedule):
        task = TASKS["classification"](smoothing=0.1)
        return list(train(classifier(), task, FewGarments(), schedule, seed=3, rung=rung, directory=directory, device="cpu"))

    straight = results(tmp_path / "a", 3)
    for rung in (1, 2, 3):
        torch.rand(rung)
        pieces = results(tmp_path / "b", rung)
    assert scores(pieces) == scores(straight)
    assert same(weights(tmp_path / "a", 3)["network"], weights(tmp_path / "b", 3)["network"])
    assert {"top1", "top5", "loss"} <= set(straight[0].measurements)
    plain = results(tmp_path / "c", 3, dataclasses.replace(schedule, mixup=0.0, cutmix=0.0))
    assert scores(plain) != scores(straight)


def test_the_seed_decides(tmp_path):
    first, again, other = (scores(run(tmp_path / name, seed=seed)[0]) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert first == again
    assert first != other


def test_results_carry_the_metrics_and_the_costs(tmp_path):
    results, _ = run(tmp_path)
    assert [r.rung for r in results] == [1, 2, 3]
    for result in results:
        assert set(result.measurements) == {*TASK.metrics, *TIMES, "train_loss", "train_threads", "train_precision"}
        assert result.measurements["train_threads"] == 1
        assert result.measurements["train_precision"] == "float32"
    seconds = [r.measurements["train_s"] for r in results]
    assert seconds == sorted(seconds)
    assert results[-1].measurements["train_loss"] < results[0].measurements["train_loss"]


def test_finished_rungs_are_adopted_not_trained(tmp_path):
    before, _ = run(tmp_path)
    turns = []

    @contextlib.contextmanager
    def counted():
        turns.append(1)
        yield

    after, _ = run(tmp_path, step_turn=counted)
    assert after == before  # the clock's readings too: they are the stored ones
    assert not turns


def test_only_the_newest_rung_keeps_weights(tmp_path):
    run(tmp_path)
    assert [bool(weights(tmp_path, k)) for k in (1, 2, 3)] == [False, False, True]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["rung_1.pt", "rung_2.pt", "rung_3.pt"]


@pytest.mark.parametrize("rung", [1, 2, 3])
def test_a_torn_checkpoint_is_trained_again(tmp_path, rung):
    before, _ = run(tmp_path)
    path = tmp_path / f"rung_{rung}.pt"
    path.write_bytes(path.read_bytes()[:200])
    (tmp_path / "rung_2.part1").write_bytes(b"half")
    after, _ = run(tmp_path)
    assert scores(after) == scores(before)
    assert path.stat().st_size > 200


def test_a_checkpoint_of_another_training_is_ignored(tmp_path):
    first, _ = run(tmp_path, seed=0)
    second, _ = run(tmp_path, seed=1)
    assert scores(second) != scores(first)
    assert scores(second) == scores(run(tmp_path / "fresh", seed=1)[0])


def test_each_step_takes_a_turn_and_none_is_nested(tmp_path):
    depth, turns = [0], []

    @contextlib.contextmanager
    def turn():
        assert depth[0] == 0
        depth[0] += 1
        turns.append(1)
        yield
        depth[0] -= 1

    run(tmp_path, rung=1, step_turn=turn)
    assert len(turns) == 1 + 3 + 2  # data, steps, one scoring batch and the end of the split


def test_what_the_process_had_is_left_alone(tmp_path):
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    made = network()
    steps = train(made, TASK, DATA_SET, SCHEDULE, seed=0, rung=2, directory=tmp_path, device="cpu")
    next(steps)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("bias", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_fails_the_trial(tmp_path, bias):
    with pytest.raises(TrialFailed, match="nan: the loss is nan at step 0") as failure:
        run(tmp_path, net=network(bias=bias))
    assert failure.value.kind == "nan"
    assert not list(tmp_path.glob("rung_*"))


def test_bf16_and_seeded(tmp_path):
    results, _ = run(tmp_path, rung=1, schedule=Schedule(**{**SCHEDULE.__dict__, "precision": "bf16"}))
    assert results[0].measurements["train_precision"] == "bfloat16"
    with seeded(5):
        one = torch.rand(3)
    with seeded(5):
        assert torch.equal(one, torch.rand(3))
