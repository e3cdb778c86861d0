"""The schedule: its checks, its learning rate, its parameter groups, its augmentation."""

import pytest
import torch
from torch import nn
from torchvision import tv_tensors

from evaluators.augmentation import Augmented
from evaluators.data import DATA
from evaluators.loading import steps_per_epoch, training_batches
from evaluators.optimizer import make_learning_rate, make_optimizer, parameter_groups
from evaluators.schedule import Schedule


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.scale = nn.Parameter(torch.ones(4))
        self.decoder = nn.Sequential(nn.Conv2d(4, 4, 1), nn.LayerNorm((4, 2, 2)))


class Wide:
    """Samples of unequal size, brighter to the right and downwards; the mask repeats the red channel."""

    uniform = False

    def __len__(self):
        return 5

    def __getitem__(self, index):
        slope = 2 * torch.arange(40)[:, None] + torch.arange(60 + index)
        image = slope.to(torch.uint8).expand(3, -1, -1)
        return tv_tensors.Image(image), tv_tensors.Mask(image[0])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rungs": []}, r"schedule\.rungs"),
        ({"rungs": [3, 1]}, r"schedule\.rungs: \[3, 1\]"),
        ({"optimizer": "adamwx"}, r"schedule\.optimizer: unknown 'adamwx'.*Did you mean 'adamw"),
        ({"lr_schedule": "poli"}, r"known: poly, cosine, constant\. Did you mean 'poly'"),
        ({"precision": "int8"}, r"schedule\.precision"),
        ({"sample_fraction": 1.5}, r"schedule\.sample_fraction: 1\.5; expected more than 0 and at most 1"),
        ({"width": 0.0}, r"schedule\.width"),
        ({"batch_size": 0}, r"schedule\.batch_size"),
        ({"scale": [2.0, 0.5]}, r"schedule\.scale"),
        ({"jitter_range": [0.1]}, r"schedule\.jitter_range"),
        ({"ema": 1.0}, r"schedule\.ema"),
    ],
)
def test_bad_values_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        Schedule(**given)


def test_rungs_and_threads():
    assert [Schedule(rungs=[1, 3, 9]).epochs(k) for k in range(4)] == [0, 1, 3, 9]
    assert Schedule(threads=3).thread_count() == 3
    assert Schedule().thread_count() >= 1


def test_learning_rate_is_the_published_one():
    schedule = Schedule(rungs=[20, 60], lr=6e-5, decoder_lr_factor=10.0, warmup_steps=1500)
    optimizer = make_optimizer(Net(), schedule)
    rate = make_learning_rate(optimizer, schedule, steps_per_epoch=1264)
    total = 60 * 1264
    for step in (0, 1, 750, 1499, 1500, 40000, total - 1):
        rate.step_update(step)
        expected = 6e-5 * (step / 1500 if step < 1500 else (total - step) / (total - 1500))
        found = {group["lr"] for group in optimizer.param_groups}
        assert sorted(found) == pytest.approx(sorted({expected, 10 * expected}), abs=1e-15)


@pytest.mark.parametrize("name", ["poly", "cosine", "constant"])
def test_learning_rates_start_at_the_top_after_warm_up(name):
    schedule = Schedule(rungs=[2], lr=0.1, lr_schedule=name, warmup_steps=4)
    optimizer = make_optimizer(Net(), schedule)
    rate = make_learning_rate(optimizer, schedule, steps_per_epoch=20)
    seen = []
    for step in range(40):
        rate.step_update(step)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen[:5] == pytest.approx([0, 0.025, 0.05, 0.075, 0.1])
    assert seen[-1] == pytest.approx(0.1) if name == "constant" else seen[-1] < 0.01


def test_groups_go_by_module_and_shape():
    groups = parameter_groups(Net(), Schedule(lr=1.0, decoder_lr_factor=10.0, weight_decay=0.5))
    found = {(g["lr"], g["weight_decay"]): sum(p.numel() for p in g["params"]) for g in groups}
    # decoder norm (16 + 16) has three axes and is still not decayed
    assert found == {(1.0, 0.5): 108, (1.0, 0.0): 4 + 8 + 4, (10.0, 0.5): 16, (10.0, 0.0): 4 + 32}
    with pytest.raises(ValueError, match="Linear has no submodule 'decoder'"):
        parameter_groups(nn.Linear(2, 2), Schedule(decoder_lr_factor=10.0))


def test_augmentation_follows_from_seed_epoch_and_index():
    schedule = Schedule(image_size=32, scale=[0.5, 2.0], flip=0.5, jitter=0.5)
    first = [Augmented(Wide(), schedule, 1, 0)[i] for i in range(5)]
    torch.rand(7)  # what other code draws changes nothing, and nothing is drawn from it
    before = torch.get_rng_state()
    again = [Augmented(Wide(), schedule, 1, 0)[i] for i in reversed(range(5))][::-1]
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert any(
        not torch.equal(a[0], b[0]) for a, b in zip(first, [Augmented(Wide(), schedule, 1, 1)[i] for i in range(5)], strict=True)
    )
    assert all(image.shape == (3, 32, 32) and mask.shape == (32, 32) for image, mask in first)


def test_image_and_mask_move_together():
    schedule = Schedule(image_size=40, scale=[1.0, 1.0], flip=0.5)
    for epoch in range(4):
        image, mask = Augmented(Wide(), schedule, 0, epoch)[0]
        assert (image[0].int() - mask.int()).abs().max() <= 3  # bilinear beside nearest


def test_epochs_are_shuffled_and_a_lone_last_sample_is_left_out():
    samples = DATA["scenes"](train_count=9).train_set(16, 1.0, 0)
    schedule = Schedule(batch_size=4, flip=0.0)
    assert steps_per_epoch(samples, schedule) == 2
    epochs = [torch.cat([images for images, _ in training_batches(samples, schedule, seed=0, epoch=e)]) for e in (0, 0, 1)]
    assert len(epochs[0]) == 8
    assert torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[2])


def test_worker_processes_change_nothing():
    samples = DATA["scenes"](train_count=8).train_set(16, 1.0, 0)
    one, two = (
        [images for images, _ in training_batches(samples, Schedule(batch_size=4, workers=n), seed=3, epoch=1)] for n in (0, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
