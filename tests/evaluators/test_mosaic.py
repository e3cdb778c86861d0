"""Mosaics: boxes stay on their objects, and everything that has no box, no size or no neighbour still gives a sample."""

import itertools
import math

import pytest
import torch
from torch.utils.data import default_collate
from torchvision import tv_tensors

from evaluators.letterbox import GREY, letterbox
from evaluators.mosaic import MOST_BOXES, Mosaic, Warp, four
from evaluators.schedule import Schedule

STILL = {"mosaic_scale": [1.0, 1.0], "degrees": 0.0, "shear": 0.0, "translate": 0.0}
PUBLISHED = {"mosaic_scale": [0.5, 1.5], "degrees": 10.0, "shear": 2.0, "translate": 0.1}


def schedule(size=64, mosaic=1.0, **warp):
    return Schedule(image_size=size, mosaic=mosaic, **(PUBLISHED | warp))


class Squares:
    """Dark images with one bright rectangle each, its box around it; sizes as given. `boxes` replaces the boxes of all."""

    uniform = False

    def __init__(self, sizes, boxes=None):
        self.sizes, self.boxes = sizes, boxes

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        height, width = self.sizes[index]
        image = torch.full((3, height, width), 20, dtype=torch.uint8)
        x1, y1, x2, y2 = width // 4, height // 4, width // 4 + width // 2, height // 4 + height // 2
        image[:, y1:y2, x1:x2] = 250
        boxes = torch.tensor([[x1, y1, x2, y2]] if self.boxes is None else self.boxes, dtype=torch.float32).reshape(-1, 4)
        target = {
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width)),
            "labels": torch.full((len(boxes),), index),
            "ignored": torch.full((len(boxes),), index % 2 == 1),
            "scale": 1.0,
        }
        return tv_tensors.Image(image), target


def drawn(mosaic, index, seed):
    torch.manual_seed(seed)
    return mosaic[index]


def bright_hull(image, box):
    """The hull of the bright pixels within a box, grown by a pixel."""
    x1, y1, x2, y2 = (int(side) for side in (box[0] - 1, box[1] - 1, box[2] + 2, box[3] + 2))
    rows, columns = (image[0, max(y1, 0) : y2, max(x1, 0) : x2] > 182).nonzero(as_tuple=True)
    left, top = columns + max(x1, 0), rows + max(y1, 0)
    return torch.tensor([left.min(), top.min(), left.max() + 1, top.max() + 1], dtype=torch.float32)


@pytest.mark.parametrize("warp", [STILL, {**STILL, "translate": 0.3}, {**STILL, "mosaic_scale": [0.5, 0.8]}, PUBLISHED])
def test_boxes_lie_around_what_they_lay_around(warp):
    samples = Squares([(64, 64), (90, 60), (40, 80), (128, 128)])
    mosaic, seen = Mosaic(samples, schedule(96, **warp)), 0
    for seed in range(48):
        image, target = drawn(mosaic, seed % 4, seed)
        for box in target["boxes"]:
            # interpolation leaves no pixel of a sliver bright, and what a frame cuts off a turned box may be what reached farthest
            if (box[2:] - box[:2] > 6).all() and (box > 0).all() and (box < 96).all():
                assert (bright_hull(image, box) - box).abs().max() <= 2
                seen += 1
    assert seen > 10


def test_every_bright_pixel_is_in_a_box():
    mosaic = Mosaic(Squares([(64, 64), (90, 60), (40, 80)]), schedule(96))
    for seed in range(20):
        image, target = drawn(mosaic, seed % 3, seed)
        rows, columns = (image[0] > 182).nonzero(as_tuple=True)
        x1, y1, x2, y2 = target["boxes"].as_subclass(torch.Tensor)[:, :, None].unbind(1)
        x, y = columns + 0.5, rows + 0.5
        assert ((x > x1 - 1) & (x < x2 + 1) & (y > y1 - 1) & (y < y2 + 1)).any(0).all()


def test_four_images_meet_at_the_centre():
    torch.manual_seed(3)
    tiles = []
    for value in (10, 60, 160, 250):
        image, target = Squares([(32, 32)])[0]
        image[:] = value
        tiles.append((image, target))
    canvas, boxes = four(tiles, 32)
    assert canvas.shape == (3, 64, 64)
    values = (canvas[0] + GREY).to(torch.uint8)
    rows, columns = (values == 250).nonzero(as_tuple=True)
    y, x = int(rows.min()), int(columns.min())
    assert 16 <= x < 48
    assert 16 <= y < 48
    assert [values[b, a].item() for b, a in itertools.product((y - 1, y), (x - 1, x))] == [10, 60, 160, 250]
    corners = ((x - 32, y - 32), (x, y - 32), (x - 32, y), (x, y))
    expected = [[max(a + 8, 0), max(b + 8, 0), min(a + 24, 64), min(b + 24, 64)] for a, b in corners]
    assert boxes.tolist() == expected


def test_a_warp_by_hand():
    quarter = Warp(torch.tensor([[0.0, -1.0], [1.0, 0.0]]), torch.tensor([10.0, 2.0]))  # (x, y) -> (10 - y, 2 + x)
    assert quarter.boxes(torch.tensor([[1.0, 2.0, 4.0, 8.0]])).tolist() == [[2, 3, 8, 6]]
    canvas = torch.zeros(3, 24, 24)
    canvas[:, 2:8, 1:4] = 250 - GREY
    image = quarter.image(canvas, 12)
    expected = torch.full((3, 12, 12), GREY, dtype=torch.uint8)
    expected[:, 3:6, 2:8] = 250
    assert torch.equal(image, expected)


def test_the_drawn_map_turns_scales_shears_then_shifts():
    torch.manual_seed(0)
    for _ in range(20):
        warp = Warp.drawn(schedule(64, shear=0.0, degrees=30.0))
        scale = torch.linalg.det(warp.linear).sqrt().item()
        assert 0.5 <= scale <= 1.5
        assert abs(math.degrees(math.atan2(warp.linear[0, 1], warp.linear[0, 0]))) <= 30
        assert torch.allclose(warp.linear @ warp.linear.T, torch.eye(2) * scale**2, atol=1e-5)
        assert warp.shift.abs().max() <= 6.4
        sheared = Warp.drawn(schedule(64, shear=5.0, degrees=0.0, mosaic_scale=[1.0, 1.0])).linear
        assert sheared.diagonal().tolist() == [1, 1]
        assert 0 < sheared[0, 1].abs() <= math.tan(math.radians(5))


def test_equal_seeds_give_equal_items_and_others_do_not():
    mosaic = Mosaic(Squares([(64, 64), (50, 30), (20, 80)]), schedule())
    one, again, other = (drawn(mosaic, 1, seed) for seed in (5, 5, 6))
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1]["boxes"], again[1]["boxes"])
    assert not torch.equal(one[0], other[0])


@pytest.mark.parametrize("settings", [{"mosaic": 0.0}, {"mosaic": 1.0, "closing": True}])
def test_without_a_mosaic_the_image_is_letterboxed(settings):
    samples = Squares([(50, 30)])
    image, target = Mosaic(samples, schedule(64, settings["mosaic"]), settings.get("closing", False))[0]
    boxed, moved = letterbox(*samples[0], 64)
    assert torch.equal(image, boxed)
    assert target["boxes"].tolist() == moved["boxes"].tolist()
    assert target["scale"] == 1.28


def test_the_probability_is_kept():
    mosaic = Mosaic(Squares([(64, 64), (64, 64)]), schedule(32, 0.5))
    torch.manual_seed(0)
    plain = sum(mosaic[0][1]["scale"] == 0.5 for _ in range(200))  # a mosaic says 1
    assert 70 < plain < 130


def test_a_mosaic_without_boxes_is_not_shown():
    samples = Squares([(64, 48)], boxes=[])
    image, target = Mosaic(samples, schedule())[0]
    assert torch.equal(image, letterbox(*samples[0], 64)[0])
    assert target["boxes"].shape == (0, 4)
    assert target["labels"].shape == target["ignored"].shape == (0,)


def test_images_without_boxes_take_part():
    class Every(Squares):
        def __getitem__(self, index):
            self.boxes = None if index == 0 else []
            return super().__getitem__(index)

    mosaic = Mosaic(Every([(64, 64)] + [(64, 64)] * 5), schedule(64, **STILL))
    found = [drawn(mosaic, 0, seed)[1] for seed in range(20)]
    assert all(set(target["labels"].tolist()) == {0} for target in found)
    assert any(len(target["labels"]) == 1 for target in found)
    assert any((drawn(mosaic, 3, seed)[1]["labels"] == 0).any() for seed in range(20))


def test_boxes_are_clipped_to_their_own_image_and_slivers_dropped():
    boxes = [[-20, 8, 30, 24], [31.5, 0, 33, 32], [40, 40, 50, 50], [4, 4, 4.9, 30], [0, 0, 32, 32]]
    _, target = Mosaic(Squares([(32, 32)], boxes), schedule(32, 0.0))[0]
    assert target["boxes"].tolist() == [[0, 8, 30, 24], [0, 0, 32, 32]]
    _, canvas_boxes = four([Squares([(32, 32)], boxes)[0]] * 4, 32)
    whole = canvas_boxes.reshape(4, 5, 4)
    assert (whole[..., :2] >= whole[:, 4:, :2]).all()
    assert (whole[..., 2:] <= whole[:, 4:, 2:]).all()


def test_a_far_smaller_size_leaves_a_valid_sample():
    samples = Squares([(900, 1200), (1, 700), (600, 3)])
    for seed in range(10):
        image, target = drawn(Mosaic(samples, schedule(32)), seed % 3, seed)
        assert image.shape == (3, 32, 32)
        sides = target["boxes"][:, 2:] - target["boxes"][:, :2]
        assert (sides > 1).all()


def test_at_most_120_boxes_the_first_image_s_first():
    boxes = [[x, y, x + 8, y + 8] for x in range(0, 64, 4) for y in range(0, 64, 4)]
    _, target = drawn(Mosaic(Squares([(64, 64)] * 4, boxes), schedule(64, mosaic_scale=[0.5, 0.5])), 2, 1)
    assert len(target["boxes"]) == len(target["labels"]) == len(target["ignored"]) == MOST_BOXES
    assert (target["labels"] == 2).all()


def test_items_fit_one_batch_and_keep_the_form_of_a_target():
    mosaic = Mosaic(Squares([(64, 64), (50, 30), (20, 80)]), schedule(64, 0.5))
    assert mosaic.uniform
    assert len(mosaic) == 3
    torch.manual_seed(2)
    items = [mosaic[i % 3] for i in range(12)]
    assert default_collate([image for image, _ in items]).shape == (12, 3, 64, 64)
    for image, target in items:
        assert isinstance(image, tv_tensors.Image)
        assert image.dtype == torch.uint8
        assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
        assert target["boxes"].canvas_size == (64, 64)
        assert target["boxes"].dtype == torch.float32
        assert target["labels"].dtype == torch.int64
        assert torch.equal(target["ignored"], target["labels"] % 2 == 1)
        assert set(target) == {"boxes", "labels", "ignored", "scale"}
