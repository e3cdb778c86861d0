"""The schedule: its checks, its learning rate, its parameter groups, its augmentation."""

import pytest
import torch
from torch import nn
from torchvision import tv_tensors

from config import compose, typed
from evaluators.augmentation import Augmented, check_recipe, mixed
from evaluators.data import DATA
from evaluators.loading import steps_per_epoch, training_batches
from evaluators.optimizer import make_learning_rate, make_optimizer, parameter_groups
from evaluators.schedule import Distill, Schedule


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
        ({"area": [0.0, 1.0]}, r"schedule\.area"),
        ({"area": [0.1, 1.1]}, r"schedule\.area"),
        ({"area": [0.1, 1.0], "scale": [0.5, 2.0]}, r"schedule\.area: .* beside scale .*one of the two crops"),
        ({"randaugment": 11}, r"schedule\.randaugment: 11; expected 0 to 10"),
        ({"erasing": 1.1}, r"schedule\.erasing"),
        ({"mixup": -0.1}, r"schedule\.mixup"),
        ({"cutmix": -1}, r"schedule\.cutmix"),
        ({"smoothing": 1.0}, r"schedule\.smoothing"),
        ({"keep": "bets"}, r"schedule\.keep: unknown 'bets'; known: last, best\. Did you mean 'best'"),
        ({"validate_every": 5}, r"schedule\.validate_every: 5 beside keep=last.*set it to 0, or keep=best"),
        ({"validate_every": -1, "keep": "best"}, r"schedule\.validate_every"),
        ({"teacher": " "}, r"schedule\.teacher: given ''; allowed: null"),
        ({"teacher": "baseline", "distill": Distill(logits=0)}, r"schedule\.distill: logits and features are both 0"),
    ],
)
def test_bad_values_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        Schedule(**given)


@pytest.mark.parametrize("given", [{"logits": -1}, {"features": float("inf")}, {"temperature": 0.0}])
def test_bad_weights_of_a_teacher_are_named(given):
    with pytest.raises(ValueError, match=rf"schedule\.distill\.{next(iter(given))}: .*; expected"):
        Distill(**given)


def test_which_epochs_are_scored():
    recipe = {"rungs": [3, 7], "keep": "best"}
    assert [e for e in range(1, 8) if Schedule(**recipe, validate_every=2).validates(e)] == [2, 3, 4, 6, 7]
    assert [e for e in range(1, 8) if Schedule(**recipe).validates(e)] == [3, 7]
    assert not any(Schedule(rungs=[3, 7]).validates(e) for e in range(1, 8))


@pytest.mark.parametrize(
    ("task", "recipe"),
    [
        ("segmentation", {"rungs": [42, 84, 127], "optimizer": "adamw", "lr": 6e-5, "lr_schedule": "poly", "warmup_steps": 1500}),
        ("classification", {"rungs": [100, 200, 300], "optimizer": "adamw", "lr_schedule": "cosine", "mixup": 0.8}),
        ("detection", {"rungs": [100, 300], "optimizer": "sgd", "lr_schedule": "cosine", "ema": 0.9998, "closing": 0.05}),
        ("counting", {"rungs": [500, 1500], "optimizer": "adamw", "lr_schedule": "constant", "lr": 1e-4}),
    ],
)
def test_full_is_the_published_recipe_of_the_task(task, recipe):
    with compose(["+space=segformer_b0", f"task={task}", "schedule=full", "schedule.batch_size=3"]) as conf:
        schedule = typed(conf.schedule)
    assert {name: getattr(schedule, name) for name in recipe} == recipe
    assert schedule.batch_size == 3  # what the command line says stands
    assert (schedule.keep, schedule.width, schedule.sample_fraction) == ("best", 1.0, 1.0)


def test_search_schedules_keep_the_last_epoch_and_have_no_teacher():
    for name in ("short", "smoke", "garments", "scene_boxes", "scene_points", "ade20k", "imagenet", "voc", "shanghaitech"):
        with compose(["+space=segformer_b0", f"schedule={name}"]) as conf:
            schedule = typed(conf.schedule)
        assert (schedule.keep, schedule.validate_every, schedule.teacher) == ("last", 0, None)


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


class Table(nn.Module):
    undecayed = True

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 4, 3, 3))


class Tokens(nn.Module):
    undecayed_parameters = ("token",)

    def __init__(self, count):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 5)) if count else None
        self.position, self.linear = Table(), nn.Linear(2, 7)


def test_position_tables_and_named_tokens_are_not_decayed():
    for count in (1, 0):  # an architecture may do without
        groups = parameter_groups(Tokens(count), Schedule(weight_decay=0.5))
        assert {g["weight_decay"]: sum(p.numel() for p in g["params"]) for g in groups} == {0.5: 14, 0.0: 5 * count + 36 + 7}


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


class Labelled(Wide):
    """The same with a label each, one of them smaller than any crop."""

    def __getitem__(self, index):
        image = super().__getitem__(index)[0]
        return image[:, :9, :7] if index == 0 else image, index % 3


STRONG = Schedule(image_size=32, area=[0.08, 1.0], randaugment=9, jitter=0.5, erasing=0.5, batch_size=5)


def test_strong_augmentation_of_labelled_images():
    first = [Augmented(Labelled(), STRONG, 1, 0)[i] for i in range(5)]
    torch.rand(3)
    again = [Augmented(Labelled(), STRONG, 1, 0)[i] for i in range(5)]
    other = [Augmented(Labelled(), STRONG, 1, 1)[i] for i in range(5)]
    assert all(image.shape == (3, 32, 32) and image.dtype == torch.uint8 for image, _ in first)
    assert [label for _, label in first] == [0, 1, 2, 0, 1]
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))
    images, labels = next(training_batches(Labelled(), STRONG, seed=0, epoch=0))
    assert (images.shape, sorted(labels.tolist())) == ((5, 3, 32, 32), [0, 0, 1, 1, 2])


def test_area_is_the_part_of_the_image_that_is_cropped():
    schedule = Schedule(image_size=32, area=[0.25, 0.25], flip=0.0)
    for epoch in range(8):
        image, mask = Augmented(Wide(), schedule, 0, epoch)[0]
        ends = image[0].float()
        # a quarter of 40 x 60 in area, 3:4 to 4:3: sides of 21 to 28 in an image that rises by 2 a row and 1 a column
        assert 19 <= ends[0, -1] - ends[0, 0] <= 29
        assert 38 <= ends[-1, 0] - ends[0, 0] <= 58
        assert (image[0].int() - mask.int()).abs().max() <= 3


def test_erasing_puts_noise_like_pixels_into_a_box():
    schedule = Schedule(image_size=40, erasing=1.0, flip=0.0)
    plain = Schedule(image_size=40, flip=0.0)
    for index in range(4):
        image, before = (
            Augmented(Labelled(), recipe, 0, 0)[index][0].as_subclass(torch.Tensor).float() for recipe in (schedule, plain)
        )
        changed = (image != before).any(0)
        rows, columns = changed.any(1).nonzero().flatten(), changed.any(0).nonzero().flatten()
        box = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part = box[0].numel() / image[0].numel()
        assert changed.sum() > 0.95 * box[0].numel()
        assert 0.01 < part < 0.36
        assert 90 < box.mean() < 140
        assert 35 < box.std() < 80


def batch():
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 3, 16, 16)  # image k is k everywhere
    return images, torch.arange(6)


def test_mixup_and_cutmix_mix_labels_as_they_mix_images():
    images, labels = batch()
    for recipe in (Schedule(mixup=0.8), Schedule(cutmix=1.0)):
        for step in range(4):
            inputs, soft = mixed(images, labels, recipe, classes=7, seed=0, step=step)
            assert soft.shape == (6, 7)
            assert soft.sum(1).tolist() == pytest.approx([1.0] * 6)
            parts = soft @ torch.arange(7.0)  # the mean of the classes is that of the pixels
            assert inputs.mean((1, 2, 3)).tolist() == pytest.approx(parts.tolist(), abs=1e-5)
            values = {len(image.unique()) for image in inputs}
            assert values == {1} if recipe.mixup else values <= {1, 2}
    assert images.max() == 5.0  # what came in is as it was


def test_mixing_follows_from_seed_and_step_and_takes_either_way():
    images, labels = batch()
    both = Schedule(mixup=0.8, cutmix=1.0)
    state = torch.get_rng_state()
    runs = [[mixed(images, labels, both, classes=6, seed=seed, step=step)[0] for step in range(40)] for seed in (0, 0, 1)]
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(runs[0], runs[1], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(runs[0], runs[2], strict=True))
    cut = sum(any(len(image.unique()) > 1 for image in found) for found in runs[0])
    assert 10 <= cut <= 30
    assert mixed(images, labels, Schedule(), classes=6, seed=0, step=0) == (images, labels)


@pytest.mark.parametrize("given", [{"mixup": 0.8}, {"cutmix": 1.0}, {"erasing": 0.25}, {"randaugment": 9}])
def test_what_needs_one_label_an_image_is_refused_elsewhere(given):
    check_recipe(Schedule(**given), DATA["garments"]())
    check_recipe(Schedule(area=[0.5, 1.0]), DATA["scenes"]())
    with pytest.raises(ValueError, match=rf"schedule\.{next(iter(given))}: .* Scenes has targets of kind 'mask'\. Set it to 0"):
        check_recipe(Schedule(**given), DATA["scenes"]())


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
