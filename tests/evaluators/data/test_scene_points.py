"""Scenes to count in: what is visible of a garment decides its point, and no pixel differs from the scenes for detection."""

import pickle

import numpy as np
import pytest
import torch
from scipy.ndimage import find_objects, label
from torchvision import tv_tensors

from evaluators.data import DATA
from evaluators.data.composer import KINDS, Layout, Scene, composed
from evaluators.data.scene_points import EVERY, visible_points
from evaluators.points import Points


def scene(owner, areas):
    return Scene(np.zeros((*owner.shape, 3), np.uint8), owner, tuple(range(len(areas))), areas)


def test_a_point_is_the_centre_of_the_visible_part_and_needs_a_quarter_of_it():
    owner = np.zeros((20, 20), np.uint8)
    owner[2:12, 4:10] = 1  # 60 pixels, rows [2, 12), columns [4, 10)
    assert visible_points(scene(owner, (60,))).tolist() == [[7, 7]]
    owner[4:12, 4:10] = 2  # 12 of 60 are left
    assert visible_points(scene(owner, (60, 48))).tolist() == [[7, 8]]
    assert visible_points(scene(owner, (48, 48))).tolist() == [[7, 3], [7, 8]]  # 12 of 48 is a quarter
    nothing = visible_points(scene(np.zeros((20, 20), np.uint8), (60, 36)))
    assert (nothing.shape, nothing.dtype) == ((0, 2), np.float32)


def test_every_garment_that_touches_no_other_has_one_point():
    found = 0
    for drawn in composed("train", 60, Layout(96, (1, 4), (0.1, 0.2), True, 0)):
        blobs, count = label(drawn.owner > 0, np.ones((3, 3)))
        if count != len(drawn.garments) or any(shown.part < 1 for shown in drawn.shown()):
            continue
        points = visible_points(drawn)
        for rows, columns in find_objects(blobs):
            low, high = (columns.start, rows.start), (columns.stop, rows.stop)
            assert ((points > low) & (points < high)).all(1).sum() == 1
        assert len(points) == count
        found += 1
    assert found > 10


def test_items_and_their_batch():
    data = DATA["scene_points"](train_count=40, val_count=8)
    data.check()
    assert (data.classes, data.class_names, data.target) == (1, ("footwear",), "points")
    train, val = data.train_set(128, 1.0, 0), data.val_set(128)
    assert (len(train), len(val), train.uniform, val.uniform) == (40, 8, True, True)
    assert not torch.equal(train.images[:8], val.images)
    items = [train[index] for index in range(len(train))]
    for image, target in items:
        points = target["points"]
        assert (image.shape, image.dtype, points.dtype) == ((3, 128, 128), torch.uint8, torch.float32)
        assert isinstance(points, tv_tensors.KeyPoints)
        assert (points.canvas_size, points.shape[1:]) == ((128, 128), (2,))
        assert ((points > 0) & (points < 128)).all()
    batch = Points.collate([target for _, target in items], (128, 128))
    assert batch.counts.tolist() == [len(target["points"]) for _, target in items]
    assert batch.counts.min() == 0  # some scenes have nothing to count
    assert 10 < batch.counts.max() <= 40


def test_the_kinds_part_the_points_of_all_garments_among_them():
    settings = {"train_count": 6, "garments": [20, 30]}
    every, *kinds = (DATA["scene_points"](**settings, counted=counted).train_set(96, 1.0, 0) for counted in (EVERY, *KINDS))
    for index in range(len(every)):
        parts = [kind.points[index].tolist() for kind in kinds]
        assert sum(map(bool, parts)) > 1
        assert sorted(point for part in parts for point in part) == sorted(every.points[index].tolist())
    assert all(torch.equal(kind.images, every.images) for kind in kinds)


def test_scenes_are_the_same_whoever_asks_and_a_part_is_the_first_of_them():
    settings = {"train_count": 10, "garments": [0, 5], "extent": [0.1, 0.2]}
    points, boxes = DATA["scene_points"](**settings), DATA["scene_boxes"](**settings)
    whole = points.train_set(48, 1.0, 0)
    assert torch.equal(whole.images, boxes.train_set(48, 1.0, 0).images)
    part = points.train_set(48, 0.5, 9)
    assert torch.equal(part.images, whole.images[:5])
    assert all(np.array_equal(a, b) for a, b in zip(part.points, whole.points, strict=False))
    assert not torch.equal(whole.images, DATA["scene_points"](**settings, seed=1).train_set(48, 1.0, 0).images)


def test_what_a_transform_does_to_a_target_does_not_reach_the_data():
    train = pickle.loads(pickle.dumps(DATA["scene_points"](train_count=1, garments=[3, 3]).train_set(64, 1.0, 0)))
    before = train[0][1]["points"].clone()
    assert len(before)
    train[0][1]["points"].as_subclass(torch.Tensor).add_(5)
    assert torch.equal(train[0][1]["points"], before)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"root": "/data"}, "data=points or data=shanghaitech"),
        ({"val_count": 0}, "data.val_count: 0"),
        ({"garments": [0, 0]}, r"data\.garments: \[0, 0\]; expected"),
        ({"garments": [-1, 3]}, r"data\.garments"),
        ({"counted": "footware"}, r"data\.counted: 'footware' given; known: garment, top.*Did you mean 'footwear'"),
    ],
)
def test_bad_settings_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        DATA["scene_points"](**given)
