"""Crops: points stay on their things whatever is scaled, cut and stretched, and those outside go."""

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from evaluators.crops import Crops, HorizontalFlip
from evaluators.loading import collate
from evaluators.random_state import seeded_cpu
from evaluators.schedule import Schedule


class Dots:
    """Dark images with bright squares of 5 x 5 pixels around the given points, at whole pixels plus a half."""

    uniform = False

    def __init__(self, sizes, places):
        self.sizes, self.places = sizes, places

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        height, width = self.sizes[index]
        image = torch.full((3, height, width), 20, dtype=torch.uint8)
        for x, y in self.places:
            image[:, y - 2 : y + 3, x - 2 : x + 3] = 250
        points = torch.tensor(self.places, dtype=torch.float32).reshape(-1, 2) + 0.5
        return tv_tensors.Image(image), {"points": tv_tensors.KeyPoints(points, canvas_size=(height, width))}


GRID = [(x, y) for x in range(8, 90, 16) for y in range(8, 90, 16)]


def crops(sizes, *, size=64, scale=(1.0, 1.0), places=GRID):
    return Crops(Dots(sizes, places), Schedule(image_size=size, scale=list(scale)))


def drawn(split, index, seed):
    with seeded_cpu(seed):
        return split[index]


def is_on_its_dot(image, point):
    """Whether the bright pixels within 7 of a point have their centre there; None where the image's edge is too near to say."""
    x, y = point.tolist()
    if not (8 < x < image.shape[2] - 8 and 8 < y < image.shape[1] - 8):
        return None
    left, top = int(x) - 6, int(y) - 6
    window = image[0, top : top + 13, left : left + 13].as_subclass(torch.Tensor).float() - 20
    columns, rows = torch.arange(13) + left + 0.5, torch.arange(13) + top + 0.5
    centre = torch.stack([(window.sum(0) * columns).sum(), (window.sum(1) * rows).sum()]) / window.sum()
    return bool((centre - torch.tensor([x, y])).abs().max() < 0.6)


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.8, 1.2)])
@pytest.mark.parametrize("size", [(96, 96), (100, 140), (64, 96), (96, 40)])
def test_points_stay_on_what_they_mark(size, scale):
    split, seen = crops([size], scale=scale, places=[(x, y) for x, y in GRID if x < size[1] - 8 and y < size[0] - 8]), 0
    for seed in range(12):
        image, target = drawn(split, 0, seed)
        points = target["points"]
        assert (image.shape, image.dtype) == ((3, 64, 64), torch.uint8)
        assert (points.canvas_size, points.dtype) == ((64, 64), torch.float32)
        assert ((points >= 0) & (points <= 64)).all()
        verdicts = [is_on_its_dot(image, point) for point in points]
        assert False not in verdicts
        seen += verdicts.count(True)
        # a row and a column of dots every 16 pixels, times the factor and the stretching
        bright = (image[0] > 200).sum()
        assert (bright > 0) == (len(points) > 0) or bright < 60
    assert seen > 12


def test_a_part_has_the_points_within_it_and_no_others():
    split = crops([(96, 96)])
    whole = split.samples[0][1]["points"]
    corners = set()
    for seed in range(30):
        points = drawn(split, 0, seed)[1]["points"].as_subclass(torch.Tensor)
        assert 9 <= len(points) <= 25
        shift = whole[:, None].as_subclass(torch.Tensor) - points  # one shift explains all of them
        matches = [tuple(move.tolist()) for move in shift[:, 0] if torch.isin(points + move, whole).all()]
        fits = [
            move
            for move in matches
            if all(0 <= side <= 32 for side in move)
            and ((whole >= torch.tensor(move)) & (whole <= torch.tensor(move) + 64)).all(1).sum() == len(points)
        ]
        assert fits
        corners.add(fits[0])
    assert len(corners) > 20


def test_a_factor_that_leaves_too_little_is_not_used():
    held = crops([(64, 90)], scale=(0.8, 0.99))
    image, target = drawn(held, 0, 1)
    widths = torch.diff(target["points"][:, 0].unique())
    assert (widths == 16).all()
    grown = crops([(64, 90)], scale=(1.25, 1.25))
    assert (torch.diff(drawn(grown, 0, 1)[1]["points"][:, 0].unique()) - 16 * 112 / 90).abs().max() < 1e-4
    assert image.shape == (3, 64, 64)


def test_a_short_side_is_stretched_and_the_other_cut():
    image, target = drawn(crops([(32, 128)], places=[(8, 8)]), 0, 3)
    assert image.shape == (3, 64, 64)
    assert all(y == 17 for _, y in target["points"].tolist())
    small, target = drawn(crops([(16, 32)], places=[(8, 8)]), 0, 3)
    assert small.shape == (3, 64, 64)
    assert target["points"].tolist() == [[17, 34]]


@pytest.mark.parametrize("size", [(64, 64), (96, 80), (20, 20)])
def test_an_image_without_points_gives_an_empty_target(size):
    split = crops([size, size], scale=(0.8, 1.2), places=[])
    images, points = collate([drawn(split, index, index) for index in range(2)])
    assert images.shape == (2, 3, 64, 64)
    assert points.counts.tolist() == [0, 0]
    assert points.xy.shape == (2, 0, 2)


def test_draws_follow_from_the_seed_only():
    split = crops([(100, 140)], scale=(0.8, 1.2))
    (first, one), (second, two), (other, _) = drawn(split, 0, 5), drawn(split, 0, 5), drawn(split, 0, 6)
    assert torch.equal(first, second)
    assert torch.equal(one["points"], two["points"])
    assert not torch.equal(first, other)
    assert (len(split), split.uniform) == (1, True)


def test_a_flip_keeps_points_on_what_they_mark():
    image, target = crops([(64, 64)], places=[(20, 30), (40, 12)])[0]
    flipped, moved = v2.Compose([HorizontalFlip(1.0)])(image, target)
    assert torch.equal(flipped, image.flip(-1))
    assert moved["points"].tolist() == [[43.5, 30.5], [23.5, 12.5]]
    assert all(is_on_its_dot(flipped, point) for point in moved["points"])
    assert (moved["points"].canvas_size, target["points"].tolist()) == ((64, 64), [[20.5, 30.5], [40.5, 12.5]])
    edge = {"points": tv_tensors.KeyPoints([[0.0, 1.0], [64.0, 2.0]], canvas_size=(64, 64))}
    assert HorizontalFlip(1.0)(image, edge)[1]["points"].tolist() == [[64, 1], [0, 2]]
    _, empty = HorizontalFlip(1.0)(image, {"points": tv_tensors.KeyPoints(torch.zeros(0, 2), canvas_size=(64, 64))})
    assert empty["points"].shape == (0, 2)


def test_a_flip_of_other_truths_is_torchvisions():
    image = tv_tensors.Image(torch.arange(48, dtype=torch.uint8).reshape(3, 4, 4))
    mask = tv_tensors.Mask(torch.arange(16).reshape(4, 4))
    boxes = tv_tensors.BoundingBoxes([[0.0, 0, 3, 4]], format="XYXY", canvas_size=(4, 4))
    given = (image, {"mask": mask, "boxes": boxes})
    ours, theirs = HorizontalFlip(1.0)(*given), v2.RandomHorizontalFlip(1.0)(*given)
    assert torch.equal(ours[0], theirs[0])
    assert all(torch.equal(ours[1][name], theirs[1][name]) for name in ("mask", "boxes"))
