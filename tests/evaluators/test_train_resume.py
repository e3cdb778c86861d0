"""A training that is killed in the middle of a rung goes on from the last epoch that was saved, and ends as it would have ended."""

import contextlib
import dataclasses

import pytest
import torch
from torch import nn

from evaluators import checkpoint
from evaluators.best import Best
from evaluators.checkpoint import Checkpoints, Pace
from evaluators.data import DATA
from evaluators.schedule import Distill, Schedule
from evaluators.task import TASKS
from evaluators.train import seeded, train

DATA_SET = DATA["scenes"](train_count=16, val_count=4)
TASK = TASKS["segmentation"]()
SCHEDULE = Schedule(rungs=[1, 5], image_size=16, batch_size=8, lr=5e-3, lr_schedule="cosine", threads=1, ema=0.9)
BEST = dataclasses.replace(SCHEDULE, keep="best", validate_every=2)
TAUGHT = dataclasses.replace(BEST, teacher="someone", distill=Distill(features=1.0))
PER_EPOCH = 2
TIMES = {"train_s", "score_s", "images_per_s"}


class Killed(Exception):
    pass


def network(seed=0, width=8):
    with seeded(seed):
        made = nn.Sequential()
        made.add_module("stage1", nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU(), nn.Dropout2d(0.2)))
        made.add_module("decoder", nn.Conv2d(width, 5, 1))
    return made


def run(directory, schedule, *, rung=2, turns=10**6):
    """The results, each without what depends on the clock, and how many turns were taken; Killed at the turn after so many."""
    taken = [0]

    @contextlib.contextmanager
    def turn():
        if taken[0] == turns:
            raise Killed
        taken[0] += 1
        yield

    teacher = network(seed=7, width=12) if schedule.teacher else None
    results = list(
        train(
            network(),
            TASK,
            DATA_SET,
            schedule,
            seed=0,
            rung=rung,
            directory=directory,
            device="cpu",
            step_turn=turn,
            teacher=teacher,
            origin="taught" if teacher else "",
        )
    )
    return [{k: v for k, v in r.measurements.items() if k not in TIMES} for r in results], taken[0]


def state(directory, rung=2):
    return torch.load(directory / f"rung_{rung}.pt", weights_only=True)["state"]


def same(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def each_epoch(monkeypatch):
    """Save every epoch, however short."""
    monkeypatch.setattr(checkpoint, "SHORTEST_S", 0.0)
    monkeypatch.setattr(checkpoint, "WORTH", 0)


@pytest.mark.usefixtures("each_epoch")
@pytest.mark.parametrize(
    ("schedule", "epoch"),
    [(SCHEDULE, 3), (SCHEDULE, 5), (BEST, 3), (TAUGHT, 3)],
    ids=["last", "last, while it is scored", "best", "taught"],
)
def test_killed_in_the_middle_of_a_rung_it_ends_the_same(tmp_path, schedule, epoch):
    whole, turns = run(tmp_path / "whole", schedule)
    scorings = 2 if schedule.keep == "best" else 1  # after epochs 4 and 5, or 5 alone; of two turns each
    behind = turns - (5 - epoch) * PER_EPOCH - 2 * scorings
    with pytest.raises(Killed):
        run(tmp_path / "torn", schedule, turns=behind + 1)
    assert sorted(path.name for path in (tmp_path / "torn").glob("*.pt")) == ["epoch.pt", "rung_1.pt"]
    torch.rand(5)
    continued, again = run(tmp_path / "torn", schedule)
    assert continued == whole
    assert again < turns - 2 * PER_EPOCH
    one, other = state(tmp_path / "whole"), state(tmp_path / "torn")
    assert one.keys() == other.keys()
    assert all(same(one[part], other[part]) for part in ("network", "average"))
    assert not (tmp_path / "torn" / "epoch.pt").exists()


@pytest.mark.usefixtures("each_epoch")
@pytest.mark.parametrize("content", [b"", b"half a file"])
def test_a_torn_epoch_is_no_epoch(tmp_path, content):
    whole, _ = run(tmp_path / "whole", SCHEDULE)
    with pytest.raises(Killed):
        run(tmp_path / "torn", SCHEDULE, turns=14)
    (tmp_path / "torn" / "epoch.pt").write_bytes(content)
    assert run(tmp_path / "torn", SCHEDULE)[0] == whole


@pytest.mark.usefixtures("each_epoch")
def test_another_trainings_epoch_is_not_taken_up(tmp_path):
    whole, turns = run(tmp_path / "whole", SCHEDULE)
    with pytest.raises(Killed):
        run(tmp_path / "torn", dataclasses.replace(SCHEDULE, lr=1e-2), turns=14)
    assert run(tmp_path / "torn", SCHEDULE) == (whole, turns)


def test_rungs_that_were_kept_before_epochs_were_are_continued(tmp_path):
    whole, _ = run(tmp_path / "whole", SCHEDULE)
    run(tmp_path / "old", SCHEDULE, rung=1)
    file = tmp_path / "old" / "rung_1.pt"
    content = torch.load(file, weights_only=True)
    content["state"] = {name: content["state"][name] for name in ("network", "average", "optimizer", "scaler", "train_s")}
    torch.save(content, file)
    assert run(tmp_path / "old", SCHEDULE)[0] == whole


def test_the_further_of_epoch_and_rung_is_gone_on_from(tmp_path):
    kept = Checkpoints(tmp_path, "key")
    epochs = [0, 2, 4].__getitem__
    assert kept.latest(1, epochs) == (0, {})
    kept.save_epoch(1, {"at": 1})
    assert kept.latest(1, epochs) == (1, {"at": 1})
    kept.save(1, {}, {"at": 2})
    assert kept.latest(2, epochs) == (2, {"at": 2})
    kept.save_epoch(3, {"at": 3})
    assert kept.latest(2, epochs) == (3, {"at": 3})
    assert kept.latest(1, epochs) == (0, {})  # a rung that was torn is trained anew, not from beyond its end
    assert Checkpoints(tmp_path, "other").latest(2, epochs) == (0, {})


def test_saving_takes_a_hundredth_of_the_time_at_most(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoint.time, "perf_counter", lambda: now[0])

    def slow():
        now[0] += 2.0

    pace = Pace()
    now[0] = checkpoint.SHORTEST_S - 1
    assert not pace.due()
    now[0] += 1
    assert pace.due()
    pace.timed(slow)
    now[0] += 199
    assert not pace.due()
    now[0] += 1
    assert pace.due()


def test_the_best_epoch_is_kept_and_told(tmp_path):
    results, _ = run(tmp_path / "best", BEST)
    each = {
        epoch: run(tmp_path / str(epoch), dataclasses.replace(SCHEDULE, rungs=[1, epoch, 5] if 1 < epoch < 5 else [1, 5]))[0]
        for epoch in (2, 4)
    }
    last, _ = run(tmp_path / "last", SCHEDULE)
    scored = {1: last[0], 2: each[2][1], 4: each[4][1], 5: last[1]}
    assert results[0]["best_epoch"] == 1
    assert results[0]["miou"] == scored[1]["miou"]
    best = max(scored, key=lambda epoch: (scored[epoch]["miou"], -epoch))
    assert results[1]["best_epoch"] == best
    assert {name: results[1][name] for name in TASK.metrics} == {name: scored[best][name] for name in TASK.metrics}
    assert results[1]["train_loss"] == last[1]["train_loss"]  # training itself is as it was
    kept = state(tmp_path / "best")
    assert same(kept["network"], state(tmp_path / "last")["network"])
    assert same(kept["running"], state(tmp_path / "last")["average"])


def test_best_goes_by_the_first_metric_and_its_direction():
    net = network()
    lowest = Best("mae", "min").or_better(1, {"mae": 3.0}, net).or_better(2, {"mae": 3.0}, net).or_better(3, {"mae": 4.0}, net)
    assert (lowest.epoch, lowest.or_better(4, {"mae": 2.0}, net).epoch) == (1, 4)
    assert Best.of(TASKS["counting"]()) == Best("mae", "min")
    assert Best.of(TASK).direction == "max"
    nn.init.zeros_(net.decoder.weight)
    assert lowest.weights["decoder.weight"].any()  # they are a copy
