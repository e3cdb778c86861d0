"""Letterboxing: where pixels and boxes end up, for images of any shape."""

import pytest
import torch
from torchvision import tv_tensors

from evaluators.boxes import Boxes
from evaluators.letterbox import GREY, fitted, letterbox


def item(height, width, boxes=((0.0, 0.0, 4.0, 2.0),), scale=1.0):
    image = tv_tensors.Image(
        torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    )
    xyxy = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    target = {
        "boxes": tv_tensors.BoundingBoxes(xyxy, format="XYXY", canvas_size=(height, width)),
        "labels": torch.arange(len(xyxy)),
        "ignored": torch.zeros(len(xyxy), dtype=torch.bool),
        "scale": scale,
    }
    return image, target


@pytest.mark.parametrize(
    ("height", "width", "size", "seen"),
    [
        (30, 40, 20, (15, 20)),
        (40, 30, 60, (60, 45)),
        (33, 50, 32, (21, 32)),  # 21.12 rounds down
        (49, 49, 21, (21, 21)),
        (1, 400, 32, (1, 32)),  # 0.08 of a row is one row
        (2000, 3000, 32, (21, 32)),
    ],
)
def test_the_longer_side_fits_and_the_rest_is_grey(height, width, size, seen):
    image, target = item(height, width)
    image.clamp_(max=100)
    boxed, moved = letterbox(image, target, size)
    assert boxed.shape == (3, size, size)
    assert boxed.dtype == torch.uint8
    assert moved["boxes"].canvas_size == (size, size)
    assert fitted(image, target, size)[0].shape[-2:] == seen
    covered = torch.zeros(size, size, dtype=torch.bool)
    covered[: seen[0], : seen[1]] = True
    assert torch.equal((boxed == GREY).all(0), ~covered)


def test_boxes_and_scale_follow_and_lead_back_to_the_file():
    boxes = [(4.0, 6.0, 20.0, 30.0), (-10.0, 0.0, 60.0, 5.0)]
    image, target = item(30, 40, boxes, scale=0.5)
    boxed, moved = letterbox(image, target, 20)
    assert moved["boxes"].tolist() == [[2, 3, 10, 15], [-5, 0, 30, 2.5]]
    assert moved["scale"] == 0.25
    batch = Boxes.collate([moved], tuple(boxed.shape[-2:]))
    assert (batch.xyxy[0] / batch.scale[0]).tolist() == (torch.tensor(boxes) / 0.5).tolist()
    assert target["scale"] == 0.5
    assert target["boxes"].tolist() == [list(box) for box in boxes]


def test_an_image_that_fits_is_left_as_it_is():
    image, target = item(24, 24)
    boxed, moved = letterbox(image, target, 24)
    assert torch.equal(boxed, image)
    assert torch.equal(moved["boxes"], target["boxes"])
    assert moved["scale"] == 1.0


def test_an_image_without_boxes():
    boxed, moved = letterbox(*item(10, 20, ()), 16)
    assert boxed.shape == (3, 16, 16)
    assert moved["boxes"].shape == (0, 4)


def test_pixels_halve_as_bilinear_without_antialiasing_does():
    image, target = item(4, 4)
    plain = image.as_subclass(torch.Tensor).float()
    expected = (plain[:, 0::2, 0::2] + plain[:, 0::2, 1::2] + plain[:, 1::2, 0::2] + plain[:, 1::2, 1::2]) / 4
    assert torch.allclose(letterbox(image, target, 2)[0].float(), expected, atol=1)
    quartered = letterbox(*item(8, 8), 2)[0].float()
    middle = item(8, 8)[0].as_subclass(torch.Tensor).float()
    near = (middle[:, 1::4, 1::4] + middle[:, 1::4, 2::4] + middle[:, 2::4, 1::4] + middle[:, 2::4, 2::4]) / 4
    assert torch.allclose(quartered, near, atol=1)
