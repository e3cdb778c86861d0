"""The embedded data: what is carried, and the scenes made of it."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from evaluators.data import DATA, embedded


def test_garments_are_balanced_and_silhouettes_fill_them():
    for split, each in (("train", 400), ("val", 100)):
        garments = embedded.garments(split)
        assert np.bincount(garments.labels).tolist() == [each] * 10
        assert garments.images.shape == (10 * each, 28, 28)
        assert garments.images.dtype == np.uint8
        assert (garments.silhouettes[garments.images > 8] == 255).all()


def test_splits_share_no_photograph_and_no_garment():
    train, val = embedded.photographs("train"), embedded.photographs("val")
    assert (len(train), len(val)) == (7, 3)
    assert all(max(photo.size) <= 320 for photo in train + val)
    assert not {photo.tobytes() for photo in train} & {photo.tobytes() for photo in val}
    seen = {image.tobytes() for image in embedded.garments("train").images}
    assert not any(image.tobytes() in seen for image in embedded.garments("val").images)


def test_a_scene_is_a_function_of_seed_split_and_index():
    scenes = DATA["scenes"](train_count=8, val_count=4)
    whole, part = scenes.train_set(48, 1.0, 0), scenes.train_set(48, 0.5, 7)
    assert torch.equal(whole.images[:4], part.images)
    assert torch.equal(whole.masks[:4], part.masks)
    assert not torch.equal(whole.images[:4], scenes.val_set(48).images)
    assert not torch.equal(whole.images, DATA["scenes"](train_count=8, seed=1).train_set(48, 1.0, 0).images)


def test_another_process_makes_the_same_scenes():
    script = (
        "import hashlib; from evaluators.data import DATA; s = DATA['scenes'](train_count=3).train_set(32, 1.0, 0);"
        "print(hashlib.sha1(s.images.numpy().tobytes() + s.masks.numpy().tobytes()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    here = DATA["scenes"](train_count=3).train_set(32, 1.0, 0)
    assert other == hashlib.sha1(here.images.numpy().tobytes() + here.masks.numpy().tobytes()).hexdigest()


def test_items_and_classes():
    scenes = DATA["scenes"](train_count=60)
    image, mask = scenes.train_set(64, 1.0, 0)[0]
    assert (image.shape, image.dtype, mask.shape, mask.dtype) == ((3, 64, 64), torch.uint8, (64, 64), torch.uint8)
    parts = torch.bincount(scenes.train_set(64, 1.0, 0).masks.flatten(), minlength=5) / (60 * 64 * 64)
    assert len(parts) == scenes.classes == len(scenes.class_names)
    assert (parts > 0.005).all()
    assert 0.6 < parts[0] < 0.95
    scenes.check()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"root": "/data"}, "data=ade20k or data=folder"),
        ({"train_count": 0}, "data.train_count: 0"),
        ({"garments": [3, 1]}, "data.garments"),
        ({"extent": [0.5]}, "data.extent"),
    ],
)
def test_bad_settings_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        DATA["scenes"](**given)
