"""Scenes with boxes: what is visible of a garment decides its box, and no pixel differs from the scenes for segmentation."""

import pickle

import numpy as np
import pytest
import torch

from evaluators.data import DATA
from evaluators.data.composer import Layout, Scene, composed
from evaluators.data.scene_boxes import visible_boxes

GARMENT, OVER = 3, 8


def scene(owner, areas):
    return Scene(np.zeros((*owner.shape, 3), np.uint8), owner, (GARMENT, OVER), areas)


def test_a_box_surrounds_the_visible_part_and_needs_half_of_it():
    owner = np.zeros((20, 20), np.uint8)
    owner[2:12, 4:10] = 1  # 60 pixels
    owner[6:12, 4:10] = 2  # covers 36 of them: 24 are left
    assert visible_boxes(scene(owner, (60, 36))) == [((4, 6, 10, 12), OVER)]
    owner[6, 4:10] = 1  # 30 of 60 is half
    assert visible_boxes(scene(owner, (60, 36))) == [((4, 2, 10, 7), GARMENT), ((4, 7, 10, 12), OVER)]
    assert visible_boxes(scene(owner, (62, 61))) == []  # the rest of each lies outside the image
    assert visible_boxes(scene(np.zeros((20, 20), np.uint8), (60, 36))) == []


def test_the_parts_of_composed_garments_are_parts_of_whole_silhouettes():
    layout = Layout(48, (1, 4), (0.2, 0.6), True, 0)
    shown = [garment for scene in composed("train", 60, layout) for garment in scene.shown()]
    parts = np.array([garment.part for garment in shown])
    assert ((parts >= 0) & (parts <= 1)).all()
    assert (parts == 1).sum() > 0.3 * len(parts)  # free and inside the image
    assert (parts < 0.5).any()
    for scene in composed("train", 20, layout):
        alone = scene.owner == len(scene.garments)  # nothing covers the uppermost
        assert alone.sum() <= scene.areas[-1]


def test_recolouring_draws_a_photographs_colours_anew_for_each_scene():
    bare = {"garments": (0, 1), "extent": (0.05, 0.06), "seed": 0}
    as_they_are, recoloured = (
        [scene.image.mean((0, 1)) for scene in composed("val", 40, Layout(32, recolour=recolour, **bare))]
        for recolour in (False, True)
    )
    assert np.ptp(np.array(recoloured) - np.mean(recoloured, 1, keepdims=True)) > np.ptp(
        np.array(as_they_are) - np.mean(as_they_are, 1, keepdims=True)
    )
    assert len({tuple(colour.round()) for colour in recoloured}) == 40
    again = [scene.image.mean((0, 1)) for scene in composed("val", 40, Layout(32, recolour=True, **bare))]
    assert np.array_equal(recoloured, again)


@pytest.mark.parametrize("kinds", [1, 4])
def test_items(kinds):
    data = DATA["scene_boxes"](train_count=30, val_count=8, kinds=kinds)
    data.check()
    assert (data.classes, len(data.class_names), data.target) == (kinds, kinds, "boxes")
    train, val = data.train_set(64, 1.0, 0), data.val_set(64)
    assert (len(train), len(val), train.uniform, val.uniform) == (30, 8, True, True)
    assert not torch.equal(train.images[:8], val.images)
    labels = set()
    for index in range(len(train)):
        image, target = train[index]
        boxes, count = target["boxes"], len(target["labels"])
        assert (image.shape, image.dtype, boxes.shape, boxes.dtype) == ((3, 64, 64), torch.uint8, (count, 4), torch.float32)
        assert (boxes.format.value, boxes.canvas_size, target["scale"]) == ("XYXY", (64, 64), 1.0)
        assert (target["labels"].dtype, target["ignored"].dtype) == (torch.int64, torch.bool)
        assert not target["ignored"].any()
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert ((boxes >= 0) & (boxes <= 64)).all()
        labels |= set(target["labels"].tolist())
    assert labels == set(range(kinds))


def test_scenes_are_the_same_whoever_asks_and_a_part_is_the_first_of_them():
    settings = {"train_count": 12, "garments": [1, 3], "extent": [0.2, 0.6], "recolour": True}
    boxes, masks = DATA["scene_boxes"](**settings), DATA["scenes"](**settings)
    whole = boxes.train_set(48, 1.0, 0)
    assert torch.equal(whole.images, masks.train_set(48, 1.0, 0).images)
    part = boxes.train_set(48, 0.5, 9)
    assert torch.equal(part.images, whole.images[:6])
    assert all(np.array_equal(a, b) for a, b in zip(part.boxes, whole.boxes, strict=False))
    other = DATA["scene_boxes"](**settings, seed=1).train_set(48, 1.0, 0)
    assert not torch.equal(whole.images, other.images)


def test_what_a_transform_does_to_a_target_does_not_reach_the_data():
    train = pickle.loads(pickle.dumps(DATA["scene_boxes"](train_count=1).train_set(32, 1.0, 0)))
    before = train[0][1]["boxes"].clone()
    train[0][1]["boxes"].as_subclass(torch.Tensor).add_(5)
    assert torch.equal(train[0][1]["boxes"], before)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"root": "/data"}, "data=voc or data=coco"),
        ({"val_count": 0}, "data.val_count: 0"),
        ({"kinds": 2}, r"data\.kinds: 2; expected 1 \(garment\) or 4"),
    ],
)
def test_bad_settings_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        DATA["scene_boxes"](**given)
