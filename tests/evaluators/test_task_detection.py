"""Detection as a task: the loss of a batch, the scorer over a split, and what it refuses."""

import math

import pytest
import torch

from evaluators.boxes import Boxes
from evaluators.detection.cells import cells, encode
from evaluators.task import TASKS

CPU = torch.device("cpu")
SIZE = (64, 96)
GRID = cells(SIZE)


def target_of(*images, scale=1.0, ignored=False):
    """Boxes of images that are lists of (class, x1, y1, x2, y2)."""
    targets = []
    for rows in images:
        table = torch.tensor(rows, dtype=torch.float32).view(-1, 5)
        flags = torch.full((len(table),), ignored)
        targets.append({"boxes": table[:, 1:], "labels": table[:, 0].long(), "ignored": flags, "scale": scale})
    return Boxes.collate(targets, SIZE)


IMAGES = ([(0, 8, 8, 40, 40), (2, 50, 10, 80, 60)], [], [(1, 20, 5, 60, 50)])


def perfect(target, classes=3):
    """Output whose cell nearest to each box predicts it, and nothing else."""
    output = torch.full((len(target), len(GRID), 5 + classes), -12.0)
    for image in range(len(target)):
        xyxy, labels, _ = target.of(image)
        boxes = torch.cat([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], 1)
        for box, label in zip(boxes, labels, strict=True):
            cell = (GRID.centre[:96] - box[:2]).norm(dim=1).argmin()[None]
            output[image, cell, :4] = encode(box[None], GRID[cell])
            output[image, cell, 4], output[image, cell, 5 + label] = 6.0, 6.0
    return output


def random_output(images, classes=3, seed=0):
    return torch.randn(images, len(GRID), 5 + classes, generator=torch.Generator().manual_seed(seed))


def scored(batches, **arguments):
    scorer = TASKS["detection"](**arguments).scorer(3, CPU)
    for output, target in batches:
        scorer.update(output, target)
    return scorer.compute()


def test_perfect_predictions_score_one():
    target = target_of(*IMAGES)
    scores = scored([(perfect(target), target)])
    assert list(scores) == list(TASKS["detection"].metrics)
    assert [scores[name] for name in scores if name != "loss"] == pytest.approx([1, 1, 1, 1])
    assert 0 < scores["loss"] < scored([(random_output(3), target)])["loss"]


def test_scores_are_in_pixels_of_the_file():
    half, whole = target_of([(1, 8, 8, 12, 12)], scale=0.5), target_of([(1, 8, 8, 12, 12)])
    output = perfect(target_of([(1, 8, 8, 12, 11)]))
    # 4 x 3 of 4 x 4 pixels; counting the last pixel 5 x 4 of 5 x 5, and 9 x 7 of 9 x 9 in the file of twice the size
    for target, inclusive in ((whole, 0.8), (half, 7 / 9)):
        scores = scored([(output, target)])
        assert scores["map50_95"] == pytest.approx(0.6)
        assert scores["map50_95_voc07"] == pytest.approx(sum(inclusive > 0.5 + 0.05 * i + 1e-6 for i in range(10)) / 10)


def test_the_score_does_not_depend_on_the_batches():
    target, output = target_of(*IMAGES), random_output(3)
    whole = scored([(output, target)])
    single = scored([(output[[i]], target_of(rows)) for i, rows in enumerate(IMAGES)])
    assert single == pytest.approx(whole, rel=1e-6)
    assert whole["loss"] == pytest.approx(TASKS["detection"]().loss(output, target).item(), rel=1e-5)


def test_ignored_boxes_do_not_score():
    target = target_of(*IMAGES, ignored=True)
    scores = scored([(perfect(target), target)])
    assert [scores[name] for name in scores if name != "loss"] == [0, 0, 0, 0]
    assert scores["loss"] > 0


def test_nothing_to_find_and_nothing_found():
    empty = target_of([], [])
    silent = torch.full((2, len(GRID), 8), -12.0)
    expected = {"map50": 0, "map50_95": 0, "map50_voc07": 0, "map50_95_voc07": 0}
    for output, target in ((silent, empty), (random_output(2), empty), (silent, target_of(*IMAGES[:2]))):
        scores = scored([(output, target)])
        assert scores | expected == scores
        assert math.isfinite(scores["loss"])
    assert scored([]) == expected | {"loss": 0}


def test_a_network_that_broke_scores_nothing_and_says_so_by_its_loss():
    target = target_of(*IMAGES)
    scores = scored([(torch.full((3, len(GRID), 8), math.nan), target)])
    assert math.isnan(scores.pop("loss"))
    assert set(scores.values()) == {0}


def test_closing_adds_l1_and_keeps_the_rest():
    task, target, output = TASKS["detection"](assigner="team_older"), target_of(*IMAGES), random_output(3)
    assert (task.closing.l1, task.closing.assigner, task.closing.closing) == (True, "team_older", task.closing)
    assert task.closing.loss(output, target) > task.loss(output, target)
    assert scored([(output, target)], l1=True) == scored([(output, target)])  # the score's loss is without it


def test_the_assigner_is_the_one_named():
    target, output = target_of([(0, 8, 8, 88, 56)]), random_output(1)
    newer, older = (TASKS["detection"](assigner=name).loss(output, target) for name in ("upstream", "team_older"))
    assert newer != older


def test_few_steps_lower_the_loss():
    target = target_of(*IMAGES)
    output = torch.zeros(3, len(GRID), 8, requires_grad=True)
    task, optimizer = TASKS["detection"](), torch.optim.Adam([output], lr=0.2)
    values = []
    for _ in range(100):
        optimizer.zero_grad()
        loss = task.loss(output, target)
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert values[-1] < 0.1 * values[0]
    assert scored([(output.detach(), target)])["map50"] == pytest.approx(1)


def test_errors_name_the_setting():
    with pytest.raises(ValueError, match=r"task\.assigner: unknown assigner 'upsteam'; .*Did you mean 'upstream'"):
        TASKS["detection"](assigner="upsteam")

    class Masks:
        target = "mask"

    with pytest.raises(ValueError, match=r"task=detection needs data with boxes.*Masks has targets of kind 'mask'"):
        TASKS["detection"]().check(Masks())


@pytest.mark.parametrize("shape", [(1, 8), (1, 8, 8, 12), (1, 125, 8), (1, 126, 5)])
def test_outputs_of_other_networks_are_refused(shape):
    with pytest.raises(ValueError, match=r"output \(B, 126 cells, 5 \+ classes\); for images of 64x96 this one gives"):
        TASKS["detection"]().loss(torch.zeros(shape), target_of([]))


def test_images_that_strides_do_not_divide_are_refused():
    boxes = Boxes.collate(
        [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long(), "ignored": torch.zeros(0).bool(), "scale": 1.0}], (64, 100)
    )
    with pytest.raises(ValueError, match=r"images of 64x100; expected sides that are multiples of 32"):
        TASKS["detection"]().loss(torch.zeros(1, 126, 8), boxes)
