"""What detectors' recipes add to the schedule: closing epochs, the curved warm-up, the ramped average, drawn image sides, boxes."""

import dataclasses

import pytest
import torch
from torch import nn
from torchvision import tv_tensors

from evaluators.augmentation import Augmented, check_recipe, resized
from evaluators.average import make_average
from evaluators.boxes import Boxes
from evaluators.data import DATA
from evaluators.loading import normalised, training_batches, validation_batches
from evaluators.optimizer import make_learning_rate, make_optimizer
from evaluators.schedule import Schedule

PUBLISHED = Schedule(
    rungs=[300],
    optimizer="sgd",
    lr=0.01,
    lr_schedule="cosine",
    min_lr=5e-4,
    warmup_part=1 / 60,
    warmup_power=2,
    closing=0.05,
    ema=0.9998,
    ema_ramp=2000 / 23400,
)


def test_learning_rate_is_the_published_one():
    optimizer = make_optimizer(nn.Conv2d(3, 4, 3), PUBLISHED)
    rate = make_learning_rate(optimizer, PUBLISHED, steps_per_epoch=78)
    published = {1: 4e-4, 2.5: 0.0025, 5: 0.01, 50: 0.009407, 100: 0.007548, 150: 0.004984, 200: 0.002501, 250: 0.000862}
    for epoch, expected in {**published, 284: 5e-4, 285: 5e-4, 299: 5e-4}.items():
        rate.step_update(round(78 * epoch))
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([expected] * 2, abs=2e-6)


def test_the_closing_epochs_are_the_last():
    assert [epoch for epoch in range(300) if PUBLISHED.closes(epoch)] == list(range(285, 300))
    assert [epoch for epoch in range(6) if Schedule(rungs=[2, 6], closing=0.1).closes(epoch)] == [5]
    assert not any(Schedule(rungs=[3]).closes(epoch) for epoch in range(3))
    assert not Schedule(rungs=[1], closing=0.15).closes(0)
    assert [epoch for epoch in range(300) if Schedule(rungs=[300], opening=0.01).opens(epoch)] == [0, 1, 2]


def test_the_average_ramps_as_published_and_shrinks_with_the_training():
    average = make_average(nn.Linear(1, 1), PUBLISHED, steps=23400)
    published = {1: 0.00049978, 100: 0.04876082, 500: 0.22115498, 1560: 0.54148567, 2000: 0.63199413, 10000: 0.9930634}
    for update, decay in {**published, 23700: 0.99979286}.items():
        assert average.get_decay(update - 1) == pytest.approx(decay, abs=1e-6)
    short = dataclasses.replace(PUBLISHED, ema_span=0.2, ema_ramp=0.08)
    assert make_average(nn.Linear(1, 1), short, steps=500).get_decay(499) == pytest.approx(0.99, abs=1e-3)
    assert make_average(nn.Linear(1, 1), dataclasses.replace(PUBLISHED, ema=0.0), steps=500) is None


def test_the_average_follows_the_weights():
    network = nn.Linear(1, 1, bias=False)
    average = make_average(network, Schedule(ema=0.9, ema_ramp=0.5), steps=4)
    before, decay = network.weight.item(), average.get_decay(0)
    nn.init.constant_(network.weight, 3.0)
    average.update(network, 0)
    assert average.module.weight.item() == pytest.approx(decay * before + (1 - decay) * 3.0)


def target(*boxes, size=64, scale=1.0):
    xyxy = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    return {
        "boxes": tv_tensors.BoundingBoxes(xyxy, format="XYXY", canvas_size=(size, size)),
        "labels": torch.arange(len(xyxy)),
        "ignored": torch.zeros(len(xyxy), dtype=torch.bool),
        "scale": scale,
    }


def test_a_batch_pads_to_its_fullest_image():
    batch = Boxes.collate([target(), target([1, 2, 3, 4], [5, 6, 7, 9], scale=0.5)], (64, 64))
    assert (len(batch), batch.xyxy.shape, batch.labels.tolist()) == (2, (2, 2, 4), [[-1, -1], [0, 1]])
    assert [len(part) for part in batch.of(0)] == [0, 0, 0]
    assert batch.of(1)[0].tolist() == [[1, 2, 3, 4], [5, 6, 7, 9]]
    assert batch.scale.tolist() == [1.0, 0.5]
    assert type(batch.xyxy) is torch.Tensor
    none = Boxes.collate([target(), target()], (64, 64))
    assert none.xyxy.shape == (2, 0, 4)


def test_image_sides_are_drawn_every_ten_steps_and_boxes_follow():
    schedule = Schedule(sides=[32, 96])
    images, boxes = torch.rand(2, 3, 64, 64), Boxes.collate([target([8, 16, 32, 64])] * 2, (64, 64))
    found = [resized(images, boxes, schedule, seed=3, step=step) for step in range(60)]
    sides = [image.shape[2] for image, _ in found]
    assert set(sides) == {32, 64, 96}
    assert all(len(set(sides[start : start + 10])) == 1 for start in range(0, 60, 10))
    for image, truth in found:
        factor = image.shape[2] / 64
        assert truth.size == tuple(image.shape[2:])
        assert truth.xyxy[1, 0].tolist() == [8 * factor, 16 * factor, 32 * factor, 64 * factor]
    assert resized(images, boxes, Schedule(), seed=3, step=0) == (images, boxes)


class Scattered:
    """Images of unequal size with a bright box each, or none."""

    uniform = False

    def __len__(self):
        return 6

    def __getitem__(self, index):
        image = torch.zeros(3, 40 + 4 * index, 60, dtype=torch.uint8)
        image[:, 10:30, 20:50] = 255
        boxes = [] if index == 5 else [[20.0, 10.0, 50.0, 30.0]]
        return tv_tensors.Image(image), target(*boxes)


@pytest.mark.parametrize("mosaic", [0.0, 1.0])
def test_images_with_boxes_come_in_one_size_and_the_boxes_with_them(mosaic):
    schedule = Schedule(image_size=64, batch_size=6, mosaic=mosaic, translate=0.1, mosaic_scale=[0.8, 1.2], flip=0.5)
    first, again, other = (next(training_batches(Scattered(), schedule, seed=0, epoch=epoch)) for epoch in (0, 0, 1))
    images, truth = first
    assert images.shape == (6, 3, 64, 64)
    assert truth.size == (64, 64)
    assert torch.equal(images, again[0])
    assert torch.equal(truth.xyxy, again[1].xyxy)
    assert not torch.equal(images, other[0])
    for image in range(6):
        for left, top, right, bottom in truth.of(image)[0].round().int().tolist():
            inside = images[image, 0, top + 1 : bottom - 1, left + 1 : right - 1]
            assert inside.float().mean() > 200 or inside.numel() < 9


def test_closing_epochs_have_no_mosaic():
    schedule = Schedule(rungs=[4], image_size=64, batch_size=6, mosaic=1.0, closing=0.25, flip=0.0)
    for epoch, mosaic in ((2, True), (3, False)):
        item = Augmented(Scattered(), schedule, 0, epoch)[0][0]
        letterboxed = bool((item[:, 43:] == 114).all())
        assert letterboxed != mosaic


@pytest.mark.parametrize(("given", "told"), [({"mosaic": 0.5}, "mosaic: 0.5"), ({"sides": [32, 64]}, r"sides: \[32, 64\]")])
def test_recipes_and_data_have_to_fit(given, told):
    with pytest.raises(ValueError, match=rf"schedule\.{told} needs data with boxes; Scenes has targets of kind 'mask'"):
        check_recipe(Schedule(**given), DATA["scenes"]())
    with pytest.raises(ValueError, match=r"schedule\.scale: \[0\.5, 2\.0\] crops images, and boxes with them"):
        check_recipe(Schedule(scale=[0.5, 2.0], **given), DATA["scene_boxes"]())
    check_recipe(Schedule(**given), DATA["scene_boxes"]())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"mosaic": 1.5}, r"schedule\.mosaic: 1\.5; expected 0 to 1"),
        ({"mosaic_scale": [1.5, 0.5]}, r"schedule\.mosaic_scale: \[1\.5, 0\.5\]; expected \[smallest, largest\]"),
        ({"sides": [320, 650]}, r"schedule\.sides: \[320, 650\]; expected \[smallest, largest\] in multiples of 32"),
        ({"sides": [320]}, r"schedule\.sides: \[320\]"),
        ({"closing": 1.0}, r"schedule\.closing"),
        ({"closing": 0.6, "warmup_part": 0.4}, r"schedule\.closing: 0\.6 of the epochs beside warmup_part 0\.4"),
        ({"min_lr": 0.1, "lr": 0.01}, r"schedule\.min_lr: 0\.1; expected at most lr, 0\.01"),
        ({"warmup_power": 0.5}, r"schedule\.warmup_power"),
        ({"ema_span": 2.0}, r"schedule\.ema_span"),
    ],
)
def test_bad_values_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        Schedule(**given)


class Raw(nn.Module):
    pixels = "bgr"


def test_a_network_may_read_pixels_as_they_are_in_the_file():
    images = torch.arange(3, dtype=torch.uint8).view(1, 3, 1, 1).expand(2, 3, 4, 4)
    cpu = torch.device("cpu")
    assert normalised(images, cpu, Raw())[0, :, 0, 0].tolist() == [2.0, 1.0, 0.0]
    assert normalised(images, cpu, nn.Identity())[0, 0, 0, 0].item() == pytest.approx(-0.485 / 0.229)


def test_validation_batches_carry_boxes():
    data = DATA["scene_boxes"](train_count=4, val_count=6)
    images, truth = next(validation_batches(data.val_set(64), Schedule(batch_size=6)))
    assert images.shape == (6, 3, 64, 64)
    assert isinstance(truth, Boxes)
    assert truth.size == (64, 64)
