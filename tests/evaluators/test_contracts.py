"""What every registered task and data set keeps: run over the registries, so that a new one is tested too."""

import dataclasses
import pickle

import pytest
import torch

from evaluators.boxes import Boxes
from evaluators.data import DATA
from evaluators.loading import training_batches, validation_batches
from evaluators.points import Points
from evaluators.schedule import Schedule
from evaluators.task import TASKS

ON_DISK = [name for name in DATA if name not in ("scenes", "scene_boxes", "scene_points", "garments")]


@pytest.mark.parametrize("name", list(DATA))
def test_data_are_frozen_picklable_and_say_their_kind_of_truth(name):
    data = DATA[name]()
    assert dataclasses.is_dataclass(data)
    assert pickle.loads(pickle.dumps(data)) == data
    assert isinstance(data.target, str)
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.root = "/elsewhere"


@pytest.mark.parametrize("name", ON_DISK)
def test_data_on_disk_ask_for_their_folder(name, tmp_path):
    with pytest.raises(ValueError, match=r"data\.root: not given"):
        DATA[name]().check()
    with pytest.raises(ValueError, match=r"data\.root: .*gone is not a folder; expected"):
        DATA[name](root=str(tmp_path / "gone")).check()


@pytest.mark.parametrize("name", [name for name in DATA if name not in ON_DISK])
def test_embedded_data_check_themselves_and_batch(name):
    data = DATA[name]()
    data.check()
    assert len(data.class_names) == data.classes
    train, val = data.train_set(16, 0.01, 0), data.val_set(16)
    assert (train.uniform, val.uniform) == (True, True)
    schedule = Schedule(image_size=16, batch_size=4)
    for images, target in (next(training_batches(train, schedule, seed=0, epoch=0)), next(validation_batches(val, schedule))):
        assert (images.shape, images.dtype) == ((4, 3, 16, 16), torch.uint8)
        assert isinstance(target, torch.Tensor | Boxes | Points)
        assert len(target) == 4


@pytest.mark.parametrize("name", list(TASKS))
def test_tasks_measure_something_and_refuse_a_truth_they_do_not_read(name):
    task = TASKS[name]()
    assert task.metrics
    assert set(task.metrics.values()) <= {"min", "max"}

    class Alien:
        target = "scent"

    with pytest.raises(ValueError, match=f"task={name} needs data with .*Alien has targets of kind 'scent'"):
        task.check(Alien())
