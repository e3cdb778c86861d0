"""Image folders, ImageNet and Tiny-ImageNet: their layouts, made small, and an error with a name for each fault of the files."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from evaluators.data import DATA
from evaluators.loading import validation_batches
from evaluators.schedule import Schedule

WNIDS = tuple(f"n{1000 + k:08d}" for k in range(200))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write(path, size=(8, 6), grey=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), grey, np.uint8)).save(path)
    return path


def own(root):
    """Two classes of three and two training images, of one and one in validation, of unequal sizes."""
    for path, size in (
        ("train/dog/a.jpg", (40, 30)),
        ("train/dog/b.PNG", (30, 50)),
        ("train/dog/deep/c.jpeg", (9, 7)),
        ("train/cat/a.jpg", (64, 64)),
        ("train/cat/d.jpg", (20, 90)),
        ("val/cat/x.jpg", (60, 40)),
        ("val/dog/y.jpg", (33, 77)),
    ):
        write(root / path, size)
    (root / "train/dog/notes.txt").write_text("no image")
    (root / "train/.hidden").mkdir()
    write(root / "train/cat/._a.jpg")
    return root


def tiny(root, *, val="annotated"):
    """Tiny-ImageNet with one image a class; `val` is annotated, sorted (val/<wnid>/) or deep (val/<wnid>/images/)."""
    image = write(root / "image.JPEG").read_bytes()
    for number, wnid in enumerate(WNIDS):
        places = {
            "annotated": root / f"val/images/val_{number}.JPEG",
            "sorted": root / f"val/{wnid}/val_{number}.JPEG",
            "deep": root / f"val/{wnid}/images/val_{number}.JPEG",
        }
        for path in (root / f"train/{wnid}/images/{wnid}_0.JPEG", places[val]):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image)
        (root / f"train/{wnid}/{wnid}_boxes.txt").write_text("0 0 1 1")
    if val == "annotated":
        rows = (f"val_{number}.JPEG\t{wnid}\t0\t0\t5\t5" for number, wnid in enumerate(WNIDS))
        (root / "val/val_annotations.txt").write_text("\n".join(rows) + "\n")
    return root


def test_image_folder(tmp_path):
    data = DATA["image_folder"](root=str(own(tmp_path)))
    data.check()
    assert data.class_names == ("cat", "dog")
    assert data.classes == 2
    train = data.train_set(32, 1.0, 0)
    assert [label for _, label in train.items] == [0, 0, 1, 1, 1]
    assert not train.uniform
    assert {tuple(train[i][0].shape) for i in range(5)} == {(3, 64, 64), (3, 90, 20), (3, 30, 40), (3, 50, 30), (3, 7, 9)}
    assert len(data.train_set(32, 0.01, 0)) == 2  # one of each class


def test_validation_is_resized_and_its_centre_kept(tmp_path):
    image = np.zeros((100, 200, 3), np.uint8)
    image[:, 90:110] = 255
    own(tmp_path)
    Image.fromarray(image).save(tmp_path / "val/cat/x.png")
    val = DATA["image_folder"](root=str(tmp_path), crop=0.8).val_set(40)  # 200x100 to 100x50, the centre 40x40
    assert val.uniform
    found = next(image for image, _ in (val[i] for i in range(3)) if image.max() > 200)
    assert found.shape == (3, 40, 40)
    bright = (found[0, 20] > 128).nonzero().flatten()
    assert bright.tolist() == list(range(15, 25))
    images, labels = next(validation_batches(val, Schedule(batch_size=3)))
    assert images.shape == (3, 3, 40, 40)
    assert (labels.dtype, labels.tolist()) == (torch.int64, [0, 0, 1])


@pytest.mark.parametrize("val", ["annotated", "sorted", "deep"])
def test_tiny_imagenet_layouts(tmp_path, val):
    inner = tiny(tmp_path / "tiny-imagenet-200", val=val)
    (inner / "words.txt").write_text(f"{WNIDS[0]}\tgoldfish, Carassius auratus\nn99999999\tthing\n")
    for root in (inner, tmp_path):
        data = DATA["tiny_imagenet"](root=str(root))
        data.check()
        assert (data.classes, data.class_names[:2]) == (200, ("goldfish", WNIDS[1]))
        assert len(data.train_set(64, 1.0, 0)) == 200
        items = data.val_set(64).items
        assert {path.split("val_")[-1]: label for path, label in items} == {f"{k}.JPEG": k for k in range(200)}


def test_imagenet(tmp_path):
    image = write(tmp_path / "image.JPEG").read_bytes()
    wnids = [f"n{k:08d}" for k in range(1000)]
    for split in ("train", "val"):
        for wnid in wnids:
            (tmp_path / split / wnid).mkdir(parents=True)
            (tmp_path / split / wnid / f"{wnid}_1.JPEG").write_bytes(image)
    data = DATA["imagenet"](root=str(tmp_path))
    data.check()
    assert data.classes == 1000
    assert data.class_names == tuple(wnids)
    assert len(data.val_set(32)) == 1000
    shutil.rmtree(tmp_path / "val" / wnids[7])
    with pytest.raises(ValueError, match=r"val/n00000007: missing folder"):
        DATA["imagenet"](root=str(tmp_path)).check()
    shutil.rmtree(tmp_path / "train" / wnids[7])
    with pytest.raises(ValueError, match=r"train: 999 class folders; expected 1000"):
        DATA["imagenet"](root=str(tmp_path)).check()


def test_the_check_is_remembered_until_a_file_changes(tmp_path, cache, monkeypatch):
    own(tmp_path / "d")
    DATA["image_folder"](root=str(tmp_path / "d")).check()
    assert len(list(cache.rglob("*.json"))) == 1
    with monkeypatch.context() as patched:
        patched.setattr("evaluators.data.pictures.size", lambda path: pytest.fail(f"{path} was read again"))
        DATA["image_folder"](root=str(tmp_path / "d")).check()
    (tmp_path / "d/val/dog/y.jpg").write_bytes(b"spoilt")
    with pytest.raises(ValueError, match=r"y\.jpg: not a readable image"):
        DATA["image_folder"](root=str(tmp_path / "d")).check()


def lose_split(root):
    shutil.rmtree(root / "val")


def empty_class(root):
    (root / "val/dog/y.jpg").unlink()


def empty_training_class(root):
    shutil.rmtree(root / "train/dog")
    (root / "train/dog").mkdir()


def unknown_class(root):
    write(root / "val/dgo/z.jpg")


def spoil(root):
    (root / "train/cat/a.jpg").write_bytes(b"no image")


def lose_class(root):
    shutil.rmtree(root / "train/dog")


def empty_val(root):
    shutil.rmtree(root / "val")
    (root / "val").mkdir()


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lose_split, r"val: missing folder; expected a folder that holds train/<class>/"),
        (empty_class, r"val/dog: no image in this folder; expected files ending in \.jpg"),
        (empty_training_class, r"train/dog: no image in this folder"),
        (unknown_class, r"val/dgo: unknown class 'dgo'; expected a folder name of train\. Did you mean 'dog'\?"),
        (spoil, r"train/cat/a\.jpg: not a readable image"),
        (lose_class, r"train: 1 class folders; expected 2 or more"),
        (empty_val, r"val: no image in any class folder"),
    ],
)
def test_each_fault_names_the_file_and_what_was_expected(tmp_path, fault, told):
    fault(own(tmp_path))
    with pytest.raises(ValueError, match=told):
        DATA["image_folder"](root=str(tmp_path)).check()


def test_a_class_without_validation_images_is_allowed_in_a_folder_of_ones_own(tmp_path):
    shutil.rmtree(own(tmp_path) / "val/dog")
    data = DATA["image_folder"](root=str(tmp_path))
    data.check()
    assert [label for _, label in data.val_set(8).items] == [0]


def rewrite(root, change):
    table = root / "val/val_annotations.txt"
    table.write_text(change(table.read_text()))


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (lambda root: (root / "val/images/val_3.JPEG").unlink(), r"val_3\.JPEG: missing image; line 4 of .*val_annotations\.txt"),
        (lambda root: write(root / "val/images/more.JPEG"), r"more\.JPEG: an image without a line in .*val_annotations\.txt"),
        (lambda root: rewrite(root, lambda text: text.replace(WNIDS[5], "n00009999")), r"line 6: unknown class 'n00009999'"),
        (lambda root: rewrite(root, lambda text: text + "val_9.JPEG\n"), r"line 201: 'val_9\.JPEG'; expected <image> <wnid>"),
        (lambda root: (root / "val/val_annotations.txt").unlink(), r"val_annotations\.txt: missing file"),
        (lambda root: shutil.rmtree(root / "val/images"), r"val/images: missing folder"),
        (lambda root: shutil.rmtree(root / f"train/{WNIDS[8]}"), r"train: 199 class folders; expected 200"),
    ],
)
def test_each_fault_of_tiny_imagenet_is_named(tmp_path, fault, told):
    fault(tiny(tmp_path))
    with pytest.raises(ValueError, match=told):
        DATA["tiny_imagenet"](root=str(tmp_path)).check()


@pytest.mark.parametrize("crop", [0.0, 1.5])
def test_the_crop_is_a_part(crop):
    with pytest.raises(ValueError, match=rf"data\.crop: {crop}"):
        DATA["image_folder"](crop=crop)
