"""Several processes that train one network: the same as one process trains, and none of them left behind. Starting them takes
seconds, so each test starts one crew."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import chain

import pytest
import torch
from torch import nn

from evaluators.api import Job
from evaluators.crew import ALONE, Crew
from evaluators.data import DATA
from evaluators.evaluation import Evaluation
from evaluators.latency.torch import Torch
from evaluators.loading import training_batches
from evaluators.parallel import check_parallel, together
from evaluators.schedule import BASELINE, Distill, Schedule
from evaluators.task import TASKS
from evaluators.train import TrialFailed, seeded, train
from search.launch import LAUNCHERS
from space import Arch

SCENES = DATA["scenes"](train_count=11, val_count=4)  # with batches of 4: the last one is shared out as 1 and 2
RECIPE = Schedule(
    rungs=[1, 3], image_size=16, batch_size=4, optimizer="sgd", lr=0.05, threads=1, ema=0.9, clip_norm=1.0, warmup_steps=2
)
TAUGHT = replace(RECIPE, keep="best", validate_every=1, teacher="someone", distill=Distill())
BY_MAPS = replace(TAUGHT, distill=Distill(features=1.0))


def network(width=8, seed=0):
    with seeded(seed):
        made = nn.Sequential()
        made.add_module("stage1", nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()))
        made.add_module("decoder", nn.Conv2d(width, 5, 1))
    return made


def lessons(directory, schedule, rung, device, crew=ALONE):
    teacher = network(12, seed=7) if schedule.teacher else None
    task = TASKS["segmentation"]()
    yield from train(
        network(), task, SCENES, schedule, seed=0, rung=rung, directory=directory, device=device, teacher=teacher, crew=crew
    )


def four_trainings(directory, device, crew):
    """One of its own; one that goes on where one process stopped; two with a teacher and the best epoch kept."""
    for name, schedule in (("own", RECIPE), ("continued", RECIPE), ("taught", TAUGHT), ("maps", BY_MAPS)):
        yield list(lessons(directory / name, schedule, 2, device, crew))


def weights(directory, part):
    return torch.load(directory / "rung_2.pt", weights_only=True)["state"][part]


def close(one, other):
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], rtol=1e-4, atol=1e-5) for name in one)


def test_two_processes_train_what_one_trains(tmp_path):
    alone, crew = tmp_path / "alone", tmp_path / "crew"
    whole = list(lessons(alone / "own", RECIPE, 2, "cpu"))
    taught = list(lessons(alone / "taught", TAUGHT, 2, "cpu"))
    list(lessons(crew / "continued", RECIPE, 1, "cpu"))
    own, continued, learned, by_maps = together(functools.partial(four_trainings, crew), size=2, device="cpu")
    for ours, theirs in ((own, whole), (continued, whole), (learned, taught)):
        assert [result.rung for result in ours] == [1, 2]
        for result, expected in zip(ours, theirs, strict=True):
            for name in ("train_loss", "loss", "miou", "pixel_accuracy"):
                assert result.measurements[name] == pytest.approx(expected.measurements[name], abs=1e-3), name
    assert learned[1].measurements["best_epoch"] == taught[1].measurements["best_epoch"]
    of_maps = list(lessons(alone / "maps", BY_MAPS, 2, "cpu"))[1].measurements["train_loss"]  # maps are levelled by each process
    assert by_maps[1].measurements["train_loss"] == pytest.approx(of_maps, rel=0.05)
    assert own[1].measurements["train_processes"] == 2
    for name, part in (("own", "network"), ("own", "average"), ("taught", "network"), ("taught", "running")):
        assert close(weights(crew / name, part), weights(alone / name, part)), (name, part)
    assert close(weights(crew / "continued", "network"), weights(alone / "own", "network"))
    assert list(lessons(crew / "own", RECIPE, 2, "cpu")) == own, "one process adopts what two have left"


@pytest.mark.parametrize(
    ("data", "recipe"),
    [
        (DATA["garments"](), {"randaugment": 9, "erasing": 0.5, "sample_fraction": 0.01}),
        (DATA["scene_boxes"](train_count=7, val_count=2), {"mosaic": 1.0}),
    ],
    ids=["labels", "boxes"],
)
def test_the_shares_of_a_batch_are_the_batch_whoever_loads_it(data, recipe):
    schedule = Schedule(image_size=64, batch_size=4, **recipe)
    samples = data.train_set(64, schedule.sample_fraction, 0)
    whole, *shares = (
        [images for images, _ in training_batches(samples, schedule, seed=0, epoch=1, crew=crew)]
        for crew in (ALONE, Crew(0, 2), Crew(1, 2))
    )
    assert len(whole) == len(shares[0]) == len(shares[1])
    for batch, *parts in zip(whole, *shares, strict=True):
        assert torch.equal(torch.cat(parts), batch)


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("samples", range(9))
def test_shares_are_even_and_none_is_empty(samples, size):
    batch = list(range(samples))
    shares = [Crew(rank, size).share(batch) for rank in range(size)]
    if samples < size:
        assert shares == [batch] * size
    else:
        assert list(chain.from_iterable(shares)) == batch
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.fixture
def evaluation(tmp_path):
    stage = {"depth": 1, "embed": "conv", "mixer": {"name": "pool"}, "ffn": "identity"}
    stages = {f"stage{i + 1}": {**stage, "dim": 8} for i in range(4)}
    return Evaluation(
        baseline=Arch.make("segformer", {"norm_layout": "pre", **stages, "decoder": {"fusion": "sum", "width": 8}}),
        input_size=(64, 64),
        task=TASKS["segmentation"](),
        data=DATA["scenes"](train_count=8, val_count=4),
        schedule=Schedule(rungs=[1, 2], image_size=32, width=1.0, batch_size=4, threads=1),
        latency=Torch(device="cpu", threads=1, warmup_s=0, max_s=0.1),
        limits={},
        device="cpu",
        plugins=(),
        cache=tmp_path / "cache",
        processes=2,
    )


def test_a_trial_of_two_processes_taught_by_the_baseline(evaluation, tmp_path):
    evaluation = replace(evaluation, schedule=replace(evaluation.schedule, rungs=[1], teacher=BASELINE))
    pupil = Arch.make("segformer", {**evaluation.baseline.arch, "norm_layout": "v2"})
    *rungs, outcome = evaluation(Job(pupil, 0, 1, tmp_path / "checkpoints" / "0"))
    assert outcome.kind == "ok", outcome.reason
    assert [result.rung for result in rungs] == [0, 1]
    assert rungs[1].measurements["teacher"].startswith("baseline (")
    assert rungs[1].measurements["train_processes"] == 2


def test_detection_in_two_processes(evaluation, tmp_path):
    arch = Arch.from_yaml("conf/arch/yolox_nano.yaml")
    detection = replace(
        evaluation,
        baseline=arch,
        task=TASKS["detection"](),
        data=DATA["scene_boxes"](train_count=6, val_count=2),
        schedule=Schedule(rungs=[1], image_size=64, width=0.25, batch_size=4, threads=1, mosaic=1.0, ema=0.9, opening=0.1),
    )
    *rungs, outcome = detection(Job(arch, 0, 1, tmp_path / "trial"))
    assert outcome.kind == "ok", outcome.reason
    assert 0 <= rungs[1].measurements["map50"] <= 1


def test_not_a_number_is_a_failed_trial(evaluation, tmp_path):
    broken = replace(evaluation, schedule=replace(evaluation.schedule, lr=1e30))
    *_, outcome = broken(Job(evaluation.baseline, 0, 2, tmp_path / "trial"))
    assert outcome.kind == "failed"
    assert outcome.reason.startswith("nan: ")


def waits_for_one_that(how, device, crew):
    """The second process is lost while the first waits for it."""
    yield os.getpid()
    if not crew.leads:
        how()
    crew.total(crew.rank)


def runs_out_of_memory():
    raise MemoryError


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def has_a_bug():
    raise KeyError("misspelt")


@pytest.mark.parametrize(
    ("how", "error", "told"),
    [
        (runs_out_of_memory, TrialFailed, "^out of memory: "),
        (is_killed, TrialFailed, r"^worker lost: process 2 of the 2 that train this trial ended by SIGKILL"),
        (has_a_bug, RuntimeError, "KeyError: 'misspelt'"),
    ],
)
def test_one_that_is_lost_ends_all(how, error, told):
    found = []
    with pytest.raises(error, match=told):
        found.extend(together(functools.partial(waits_for_one_that, how), size=2, device="cpu"))
    assert not found or not alive(found[0])


def sleeps(device, crew):
    yield os.getpid()
    time.sleep(600)


OWNER = f"""
import sys
sys.path[:0] = {[os.path.dirname(__file__)]!r}
from test_parallel import sleeps, together
for pid in together(sleeps, size=2, device="cpu"):
    print(pid, flush=True)
"""


def test_none_outlives_the_one_that_started_it():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)])}
    with subprocess.Popen([sys.executable, "-c", OWNER], env=environment, stdout=subprocess.PIPE, text=True) as owner:
        leader = int(owner.stdout.readline())
        assert alive(leader)
        owner.kill()
    deadline = time.monotonic() + 30
    while alive(leader):
        assert time.monotonic() < deadline


def alive(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


@pytest.mark.parametrize("batch", [1, 2, 8, 16])
def test_a_batch_that_has_no_equal_shares_is_refused(batch):
    with pytest.raises(ValueError, match=rf"schedule\.batch_size: {batch} given, but 3 processes .* a multiple of 3, such as "):
        check_parallel(Schedule(batch_size=batch), 3, "cpu")
    check_parallel(Schedule(batch_size=batch), 1, "cuda:1")


def test_one_named_gpu_is_not_for_several_processes():
    with pytest.raises(ValueError, match=r"device: 'cuda:1' given, but 2 processes"):
        check_parallel(Schedule(batch_size=4), 2, "cuda:1")


def test_a_batch_is_refused_before_anything_starts(evaluation):
    with pytest.raises(ValueError, match=r"schedule\.batch_size: 4 given"):
        replace(evaluation, processes=3).check()


@pytest.mark.parametrize(
    ("options", "processes"),
    [({}, 1), ({"gpus_per_trial": 0.5}, 1), ({"gpus_per_trial": 2}, 2), ({"workers_per_trial": 3, "gpus_per_trial": 0}, 3)],
)
def test_processes_of_a_trial_on_ray(options, processes):
    launcher = LAUNCHERS["ray"](**options)
    assert launcher.processes == launcher.cpus == processes


def test_each_worker_has_a_gpu_of_its_own():
    with pytest.raises(ValueError, match=r"launch\.workers_per_trial: 3 given beside gpus_per_trial=2; allowed: 2"):
        LAUNCHERS["ray"](workers_per_trial=3, gpus_per_trial=2)
    with pytest.raises(ValueError, match=r"launch\.workers_per_trial: 0 given; allowed: 1 or more"):
        LAUNCHERS["serial"](workers_per_trial=0)
