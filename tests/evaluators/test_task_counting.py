"""Counting as a task: the loss of a batch, the scorer over a split, and what it refuses."""

import math

import pytest
import torch

from evaluators.counting.queries import LEVELS
from evaluators.points import Points
from evaluators.task import TASKS

CPU = torch.device("cpu")
SIZE = (128, 128)
GRID = (2, 1)


def target_of(*images, size=SIZE):
    """Points of images that are lists of (x, y)."""
    return Points.collate([{"points": torch.tensor(points, dtype=torch.float32).view(-1, 2)} for points in images], size)


def queries(name, grid):
    """(N, 2) y, x of the queries of a level."""
    stride = LEVELS[name].stride
    y, x = (torch.arange(n * patch // stride) * stride + stride // 2 for n, patch in zip(grid, (64, 128), strict=True))
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1).float()


def random_output(images, *, grid=GRID, seed=0):
    draw = torch.Generator().manual_seed(seed)
    levels = []
    for name in LEVELS:
        places = queries(name, grid).expand(images, -1, -1)
        levels.append(
            torch.cat([torch.randn(places.shape, generator=draw), places + 8 * torch.randn(places.shape, generator=draw)], 2)
        )
    return (*levels, torch.rand(images, *grid, generator=draw))


def evaluated(output, split):
    """The same as a network in evaluation mode gives it: only rows of the patches that `split` (h, w) gives to their level."""
    levels = []
    for rows, (name, level) in zip(output[:2], LEVELS.items(), strict=True):
        probability = level.spread(split, (64, 128))
        decoded = (1 - probability > 0.5) if name == "sparse" else (probability > 0.5)
        blank = torch.cat([torch.tensor([0.0, -math.inf]).expand(rows.shape[1], 2), queries(name, split.shape)], 1)
        levels.append(torch.where(decoded[:, None], rows, blank))
    return (*levels, split.expand(len(output[2]), *split.shape))


def scored(batches, **arguments):
    scorer = TASKS["counting"](**arguments).scorer(1, CPU)
    for output, target in batches:
        scorer.update(output, target)
    return scorer.compute()


HALF = torch.tensor([[0.0], [1.0]])
IMAGES = ([(20, 20), (60, 30), (70, 100)], [], [(5, 5), (9, 5), (100, 90), (104, 90)], [(127, 127)])


def perfect(target):
    """Evaluation output, half dense, with the query nearest to each person sure of it, and no other."""
    output = random_output(len(target))
    for rows in output[:2]:
        rows[..., 0], rows[..., 1] = 8.0, -8.0
    for image in range(len(target)):
        for x, y in target.of(image).tolist():
            name = "sparse" if y < 64 else "dense"
            row = (queries(name, GRID) - torch.tensor([y, x])).norm(dim=1).argmin()
            output[list(LEVELS).index(name)][image, row] = torch.tensor([-8.0, 8.0, y, x])
    return evaluated(output, HALF)


def test_a_perfect_count():
    target = target_of(*IMAGES)
    scores = scored([(perfect(target), target)])
    assert list(scores) == list(TASKS["counting"].metrics) == ["mae", "mse", "loss"]
    assert (scores["mae"], scores["mse"]) == (0, 0)
    assert 0 <= scores["loss"] < 0.01
    assert scores["loss"] < scored([(evaluated(random_output(4), HALF), target)])["loss"]


def test_errors_by_hand():
    target = target_of(*IMAGES)
    output = perfect(target)
    output[0][0, 0, :2] = torch.tensor([0.0, 1.0])  # one too many
    output[0][1, :7, :2] = torch.tensor([0.0, 1.0])  # seven where there is nobody
    output[0][2, :, 1] = -9.0  # two missed of four
    output[1][3, -1, :2] = torch.tensor([0.0, 0.0])  # a chance of exactly a half is no person
    scores = scored([(output, target)])
    assert scores["mae"] == pytest.approx((1 + 7 + 2 + 1) / 4)
    assert scores["mse"] == pytest.approx(math.sqrt((1 + 49 + 4 + 1) / 4))


def test_points_outside_the_image_count_and_padding_does_not():
    output = random_output(1, grid=(4, 2))
    for rows in output[:2]:
        rows[..., :2], rows[..., 2:] = torch.tensor([0.0, 1.0]), -50.0
    target = target_of([], size=(70, 100))
    sparse, dense = 2 * 128, (64 + 16) // 16 * 4 * 32  # two patches hold some of the image; five rows of dense windows do
    assert scored([(output, target)])["mae"] == sparse + dense


@pytest.mark.parametrize("route", [HALF, torch.zeros(2, 1), torch.ones(2, 1), torch.full((2, 1), 0.5)])
def test_the_score_does_not_depend_on_the_batches(route):
    target, output = target_of(*IMAGES), evaluated(random_output(4), route)
    whole = scored([(output, target)])
    single = scored([(tuple(part[[i]] for part in output), target_of(points)) for i, points in enumerate(IMAGES)])
    assert single == pytest.approx(whole, rel=1e-6)
    assert all(math.isfinite(value) for value in whole.values())


def test_a_split_of_exactly_a_half_asks_nobody():
    target, split = target_of(*IMAGES), torch.full((2, 1), 0.5)
    output = evaluated(random_output(4), split)
    scores = scored([(output, target)])
    assert scores["mae"] == pytest.approx(8 / 4)
    assert scores["loss"] == pytest.approx(0.1 * (0.5 + 0.5))  # the split's alone: no image has a sure patch
    assert scored([(output, target)], split_weight=0.0)["loss"] == 0
    assert TASKS["counting"]().loss(output, target).item() == pytest.approx(0.1, abs=1e-6)
    assert TASKS["counting"]().opening.loss(output, target) == 0


def test_nobody_to_count():
    target = target_of([], [])
    silent = evaluated(tuple(torch.zeros_like(part) for part in random_output(2)), HALF)
    assert scored([(silent, target)])["mae"] == 0
    assert scored([]) == {"mae": 0, "mse": 0, "loss": 0}


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_network_that_broke_says_so_by_its_loss(part):
    target = target_of(*IMAGES)
    output = random_output(4)
    output[part][:] = math.nan
    assert math.isnan(scored([(output, target)])["loss"])
    assert TASKS["counting"]().loss(output, target).isnan()


LOSSES = [(warm_up, images) for warm_up in (True, False) for images in (IMAGES, IMAGES[:1], IMAGES[:3], ([], []), ([],))]


@pytest.mark.parametrize(("warm_up", "images"), LOSSES)
@pytest.mark.parametrize("constant", [None, 0.0, 0.5, 1.0])
def test_losses_and_gradients_are_finite_for_any_batch(warm_up, images, constant):
    sparse, dense, split = (part.requires_grad_() for part in random_output(len(images)))
    task = TASKS["counting"](warm_up=warm_up)
    loss = task.loss((sparse, dense, split if constant is None else torch.full_like(split, constant)), target_of(*images))
    loss.backward()
    assert 0 < loss.item() < 20
    assert all(rows.grad.isfinite().all() for rows in (sparse, dense))
    assert all((rows.grad[..., :2] != 0).any(2).all() for rows in (sparse, dense))  # every query learns, whatever the split
    assert (split.grad is None) == (warm_up or constant is not None)


def test_the_parts_by_hand():
    """One person, logits 0 everywhere, points all on the person, split 0.25: log 2 for each mean of the cross-entropy."""
    output = random_output(1)
    for rows in output[:2]:
        rows[..., :2], rows[..., 2:] = 0.0, torch.tensor([30.0, 20.0])
    output[2][:] = 0.25
    target = target_of([(20, 30)])
    task = TASKS["counting"]()
    assert task.opening.loss(output, target).item() == pytest.approx(2 * math.log(2), rel=1e-4)
    assert task.loss(output, target).item() == pytest.approx(2 * math.log(2) + 0.1 * 0.25, rel=1e-4)
    target = target_of([(20 + 64, 30)])  # half the width away: 5 x 0.5 x 0.5^2 on each level
    assert task.opening.loss(output, target).item() == pytest.approx(2 * math.log(2) + 2 * 0.625, rel=1e-4)
    assert TASKS["counting"](points_weight=1.0).opening.loss(output, target).item() == pytest.approx(
        2 * math.log(2) + 0.25, rel=1e-4
    )


@pytest.mark.parametrize(
    ("apart", "expected"), [(15.9, 0.25 + 0.75), (16.0, 0.25)], ids=["a crowd wants a dense patch", "others do not"]
)
def test_what_makes_a_crowd(apart, expected):
    output = random_output(1)
    output[2][:] = 0.25
    target = target_of([(20, 30), (20 + apart, 30)])
    with_split, without = (TASKS["counting"](split_weight=weight).loss(output, target) for weight in (1.0, 0.0))
    assert (with_split - without).item() == pytest.approx(expected, rel=1e-4)


def test_values_that_were_measured_upstream():
    """Two images of 128 x 128, the second a crowd, as the class of the authors computed it."""
    draw = torch.Generator().manual_seed(5)
    points = [torch.rand(count, 2, generator=draw) * scale for count, scale in ((6, 128.0), (12, 40.0))]
    target = Points.collate([{"points": one} for one in points], SIZE)
    task = TASKS["counting"]()
    values = [task.opening.loss(random_output(2, seed=3), target).item(), task.loss(random_output(2, seed=3), target).item()]
    assert values == pytest.approx([1.80407214, 3.71763897], rel=1e-5)


def test_padding_and_rows_outside_do_not_reach_the_loss():
    target = target_of([(20, 20), (70, 30)], size=(64, 100))
    output = random_output(1, grid=(4, 2))
    clean = TASKS["counting"]().loss(output, target)
    output[0].view(1, 32, 32, 4)[:, 8:], output[0].view(1, 32, 32, 4)[:, :, 16:] = math.nan, math.nan
    output[1].view(1, 64, 64, 4)[:, 16:], output[1].view(1, 64, 64, 4)[:, :, 32:] = math.nan, math.nan
    output[2][:, 1:], output[2][:, :, 1:] = math.nan, math.nan
    assert TASKS["counting"]().loss(output, target) == clean
    assert math.isfinite(scored([(output, target)])["loss"])


def test_points_on_and_beyond_the_edge_are_learned():
    target = target_of([(128, 128), (140, -6)])
    assert TASKS["counting"]().loss(random_output(1), target).isfinite()
    assert math.isfinite(scored([(evaluated(random_output(1), HALF), target)])["loss"])


def test_few_steps_lower_the_loss_and_find_everyone():
    target = target_of(*IMAGES)
    places = [queries(name, GRID) for name in LEVELS]
    levels = [torch.zeros(4, len(place), 4, requires_grad=True) for place in places]
    logit = torch.zeros(4, 2, 1, requires_grad=True)
    task, optimizer = TASKS["counting"](), torch.optim.Adam([*levels, logit], lr=0.2)

    def output():
        rows = [level + torch.cat([torch.zeros(len(place), 2), place], 1) for level, place in zip(levels, places, strict=True)]
        return (*rows, logit.sigmoid())

    values = []
    for step in range(60):
        optimizer.zero_grad()
        loss = (task.opening if step < 10 else task).loss(output(), target)
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.2 * values[0]
    *rows, _ = (part.detach() for part in output())
    for split in (torch.zeros(2, 1), torch.ones(2, 1), HALF):
        assert scored([(evaluated((*rows, logit.detach()), split), target)])["mae"] == pytest.approx(0, abs=0.5)


def test_opening_warms_up_and_keeps_the_rest():
    task = TASKS["counting"](points_weight=3.0)
    assert (task.opening.warm_up, task.opening.points_weight, task.opening.opening) == (True, 3.0, task.opening)
    target, output = target_of(*IMAGES), random_output(4)
    assert scored([(output, target)], warm_up=True) == scored([(output, target)])  # the score's loss is one for all epochs


@pytest.mark.parametrize("name", ["nothing_weight", "points_weight", "split_weight", "pixel_cost"])
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_errors_name_the_setting(name, value):
    with pytest.raises(ValueError, match=rf"task\.{name}: {value}; expected 0 or more \([\d.]+ is usual\)"):
        TASKS["counting"](**{name: value})


def test_data_of_another_kind_are_refused():
    class Masks:
        target = "mask"

    with pytest.raises(ValueError, match=r"task=counting needs data with a point.*Masks has targets of kind 'mask'"):
        TASKS["counting"]().check(Masks())


SHAPES = [
    [(1, 1, 4)],
    [(1, 256, 4), (1, 1024, 4)],
    [(1, 256, 4), (1, 1024, 4), (1, 2)],
    [(1, 256, 3), (1, 1024, 4), (1, 2, 1)],
    [(1, 256, 4), (1, 1023, 4), (1, 2, 1)],
    [(1, 128, 4), (1, 512, 4), (1, 1, 1)],  # whole, but of a smaller image
]


@pytest.mark.parametrize("shapes", SHAPES)
def test_outputs_of_other_networks_are_refused(shapes):
    output = tuple(torch.zeros(shape) for shape in shapes)
    for judge in (TASKS["counting"]().loss, TASKS["counting"]().scorer(1, CPU).update):
        with pytest.raises(ValueError, match=r"needs a network with three outputs: .*; for images of 128x128 this one gives \["):
            judge(output if len(output) > 1 else output[0], target_of([]))
