"""ADE20K and image + mask folders: layouts, label maps, and an error with a name for each fault of the files."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from evaluators.data import DATA, pairs

PUBLISHED = ("images/training", "annotations/training", "images/validation", "annotations/validation")
REARRANGED = ("image/train", "mask/train", "image/val", "mask/val")
OWN = ("train/images", "train/masks", "val/images", "val/masks")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(root, folders, ids=(0, 1, 150)):
    """Three 40x30 training pairs and one of validation; each mask holds all of `ids` in vertical stripes."""
    mask = np.repeat(np.asarray(ids, np.uint8), -(-40 // len(ids)))[:40][None].repeat(30, 0)
    for images, masks, count in ((folders[0], folders[1], 3), (folders[2], folders[3], 1)):
        (root / images).mkdir(parents=True)
        (root / masks).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(np.full((30, 40, 3), 50 * i, np.uint8)).save(root / images / f"s{i}.jpg")
            Image.fromarray(mask).save(root / masks / f"s{i}.png")
    return root


@pytest.mark.parametrize("folders", [PUBLISHED, REARRANGED])
def test_ade20k_layouts_and_label_map(tmp_path, folders):
    inner = write(tmp_path / "ADEChallengeData2016", folders)
    for root in (inner, tmp_path):
        data = DATA["ade20k"](root=str(root))
        data.check()
        image, mask = data.train_set(512, 1.0, 0)[0]
        assert image.shape == (3, 30, 40)
        assert mask.unique().tolist() == [0, 149, 255]
        assert data.classes == 150
        assert data.class_names[149] == "class 149"


def test_ade20k_names_come_from_the_published_table(tmp_path):
    write(tmp_path, PUBLISHED)
    rows = ["Idx\tRatio\tTrain\tVal\tStuff\tName"] + [f"{k}\t0.1\t9\t1\t1\tthing {k}" for k in range(1, 151)]
    (tmp_path / "objectInfo150.txt").write_text("\n".join(rows))
    assert DATA["ade20k"](root=str(tmp_path)).class_names[:2] == ("thing 1", "thing 2")
    (tmp_path / "objectInfo150.txt").unlink()
    (tmp_path / "id2label.json").write_text(json.dumps({str(k): f"name {k}" for k in range(150)}))
    assert DATA["ade20k"](root=str(tmp_path)).class_names[149] == "name 149"


@pytest.mark.parametrize("folders", [OWN, REARRANGED])
def test_folder_counts_classes_and_ignores(tmp_path, folders):
    data = DATA["folder"](root=str(write(tmp_path, folders, ids=(0, 2, 255))))
    data.check()
    assert data.classes == 3
    assert data.class_names == ("class 0", "class 1", "class 2")
    assert data.train_set(64, 1.0, 0)[0][1].unique().tolist() == [0, 2, 255]
    unscored = DATA["folder"](root=str(tmp_path), ignored=2)
    unscored.check()
    assert unscored.classes == 1
    assert unscored.train_set(64, 1.0, 0)[0][1].unique().tolist() == [0, 255]


def test_palette_masks_keep_their_indices(tmp_path):
    root = write(tmp_path, OWN, ids=(0, 1))
    for path in root.glob("*/masks/*.png"):
        indexed = Image.fromarray(np.asarray(Image.open(path)) * 3).convert("P")
        indexed = Image.frombytes("P", indexed.size, bytes(np.asarray(Image.open(path)) * 3))
        indexed.putpalette([0, 0, 0] * 3 + [200, 10, 10])
        indexed.save(path)
    data = DATA["folder"](root=str(root))
    assert data.train_set(64, 1.0, 0)[0][1].unique().tolist() == [0, 3]
    assert data.classes == 4


def test_validation_is_resized_without_a_crop(tmp_path):
    data = DATA["folder"](root=str(write(tmp_path, OWN, ids=(0, 1))))
    image, mask = data.val_set(15)[0]
    assert (image.shape[-2:], mask.shape) == ((15, 20), (15, 20))
    assert mask.unique().tolist() == [0, 1]


def test_a_fraction_follows_from_the_seed(tmp_path):
    found = tuple((tmp_path / f"{i}.jpg", tmp_path / f"{i}.png") for i in range(100))
    part = pairs.part_of(found, 0.2, 1)
    assert len(part) == 20
    assert part == pairs.part_of(found, 0.2, 1)
    assert part != pairs.part_of(found, 0.2, 2)
    assert pairs.part_of(found, 1.0, 3) == found
    assert len(pairs.part_of(found, 0.001, 3)) == 1


def test_the_check_is_remembered_until_a_file_changes(tmp_path, cache):
    data = DATA["folder"](root=str(write(tmp_path / "d", OWN, ids=(0, 1))))
    data.check()
    assert len(list(cache.rglob("*.json"))) == 1
    mask = tmp_path / "d/val/masks/s0.png"
    mask.write_bytes(b"spoilt")
    with pytest.raises(ValueError, match=r"s0\.png: not a readable mask"):
        DATA["folder"](root=str(tmp_path / "d")).check()


def lose_folder(root):
    shutil.rmtree(root / "val/masks")


def empty_split(root):
    for path in (root / "val").rglob("*.*"):
        path.unlink()


def lose_mask(root):
    (root / "train/masks/s1.png").unlink()


def lose_image(root):
    (root / "train/images/s1.jpg").unlink()


def id_out_of_range(root):
    Image.fromarray(np.full((30, 40), 9, np.uint8)).save(root / "train/masks/s1.png")


def other_size(root):
    Image.fromarray(np.zeros((30, 41), np.uint8)).save(root / "train/masks/s1.png")


def coloured_mask(root):
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(root / "train/masks/s1.png")


def spoilt_image(root):
    (root / "train/images/s1.jpg").write_bytes(b"no image")


def twin(root):
    shutil.copy(root / "train/images/s1.jpg", root / "train/images/s1.jpeg")


def lose_root(root):
    shutil.rmtree(root)


def lose_everything(root):
    shutil.rmtree(root / "train")


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lose_folder, r"val/masks: missing folder"),
        (empty_split, r"val/images: no image in this folder"),
        (lose_mask, r"train/images/s1\.jpg: expected a mask of the same stem in .*train/masks"),
        (lose_image, r"train/masks/s1\.png: expected an image of the same stem"),
        (id_out_of_range, r"train/masks/s1\.png: class id 9 out of range; expected 0 to 1"),
        (other_size, r"train/masks/s1\.png: 41x30 pixels; expected 40x30"),
        (coloured_mask, r"train/masks/s1\.png: a mask of mode RGB; expected one channel"),
        (spoilt_image, r"train/images/s1\.jpg: not a readable image"),
        (twin, r"s1\.jpg: its stem is also that of s1\.jpeg"),
        (lose_root, r"data\.root: .* is not a folder"),
        (lose_everything, r"holds none of the known layouts: train/images/ with train/masks/"),
    ],
)
def test_each_fault_names_the_file_and_what_was_expected(tmp_path, fault, told):
    root = write(tmp_path / "own", OWN, ids=(0, 1))
    fault(root)
    with pytest.raises(ValueError, match=told):
        DATA["folder"](root=str(root), num_classes=2).check()


def test_ade20k_ids_and_missing_root(tmp_path):
    data = DATA["ade20k"](root=str(write(tmp_path, PUBLISHED, ids=(0, 151))))
    with pytest.raises(ValueError, match=r"s0\.png: class id 151 out of range; expected 0 \(other\) or 1 to 150"):
        data.check()
    for name in ("ade20k", "folder"):
        with pytest.raises(ValueError, match=r"data\.root: not given"):
            DATA[name]().check()


def test_names_must_fit_the_classes(tmp_path):
    with pytest.raises(ValueError, match=r"data\.names: 3 names; expected 2"):
        DATA["folder"](root=str(write(tmp_path, OWN, ids=(0, 1))), names=["a", "b", "c"]).check()
    with pytest.raises(ValueError, match="all their pixels are ignored"):
        DATA["folder"](root=str(write(tmp_path / "x", OWN, ids=(255, 255)))).check()
