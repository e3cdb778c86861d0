"""Own points as JSON or CSV: both forms say the same, and every fault of a file is an error that names it."""

import json
import pickle

import pytest
import torch
from torchvision import tv_tensors

from evaluators.data import DATA
from evaluators.points import Points

TRUTH = {"a.jpg": [[1, 2.5], [39, 29]], "b.png": [], "c.JPEG": [[0, 0], [20, 50], [20, 50]]}
SIZES = {"a.jpg": (40, 30), "b.png": (64, 20), "c.JPEG": (20, 50)}


@pytest.fixture
def folder(tmp_path, picture):
    """Images of both splits, without any annotation."""
    for split in ("train", "val"):
        for name, size in SIZES.items():
            picture(tmp_path / "own" / split / name, size)
    return tmp_path / "own"


def as_json(folder, split, truth=TRUTH):
    for name, points in truth.items():
        (folder / split / name).with_suffix(".json").write_text(json.dumps({"points": points, "tool": "mine"}))


def as_csv(folder, split, truth=TRUTH):
    lines = [f"{name},{x},{y}" for name, points in truth.items() for x, y in points]
    (folder / f"{split}.csv").write_text("\n".join(["image,x,y", *lines]) + "\n")


def data(folder):
    return DATA["points"](root=str(folder))


def test_json_and_csv_say_the_same(folder):
    as_json(folder, "train")
    as_csv(folder, "val")
    own = data(folder)
    own.check()
    train, val = own.train_set(32, 1.0, 0), own.val_set(32)
    assert (len(train), len(val), train.uniform, val.uniform) == (3, 3, False, False)
    assert (own.classes, own.class_names, own.target) == (1, ("object",), "points")
    for index, (name, points) in enumerate(TRUTH.items()):
        for split in (train, pickle.loads(pickle.dumps(val))):
            image, target = split[index]
            width, height = SIZES[name]
            assert (image.shape, image.dtype) == ((3, height, width), torch.uint8)
            assert isinstance(target["points"], tv_tensors.KeyPoints)
            assert (target["points"].canvas_size, target["points"].dtype) == ((height, width), torch.float32)
            assert target["points"].tolist() == points
    assert train[1][1]["points"].shape == (0, 2)
    batch = Points.collate([train[index][1] for index in range(3)], (50, 64))
    assert batch.counts.tolist() == [2, 0, 3]
    assert len(own.train_set(32, 0.34, 0)) == 1


def test_a_csv_of_other_order_more_columns_a_mark_and_rows_without_a_point(folder):
    as_json(folder, "train")
    (folder / "val.csv").write_bytes(
        b"\xef\xbb\xbfLabel, Y,Image ,x\r\nhead,2.5,a.jpg,1\r\n\r\n,,b.png,\r\nhead, 29 ,a.jpg, 3.9e1\r\n,,,\r\n"
    )
    own = data(folder)
    own.check()
    assert [image.xy.tolist() for image in own.images("val")] == [TRUTH["a.jpg"], [], []]


def test_points_lie_on_the_upright_image(folder, picture):
    picture(folder / "train/a.jpg", (30, 40), turned=True)  # shown as 40 x 30
    as_json(folder, "train")
    as_json(folder, "val")
    own = data(folder)
    own.check()
    image, target = own.train_set(32, 1.0, 0)[0]
    assert image.shape == (3, 30, 40)
    assert target["points"].canvas_size == (30, 40)


def test_points_beside_the_edge_by_a_rounding_are_moved_onto_it(folder):
    as_json(folder, "train", TRUTH | {"a.jpg": [[-0.5, 30.6], [41, 3]]})
    assert data(folder).images("train")[0].xy.tolist() == [[0, 30], [40, 3]]


def test_what_files_said_is_remembered_until_one_changes(folder, cache):
    as_json(folder, "train")
    as_csv(folder, "val")
    data(folder).check()
    kept = list((cache / "paredown/checked").glob("*.json"))
    assert len(kept) == 2
    assert any("39" in path.read_text() for path in kept)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", r"a\.json: not a readable JSON file"),
        ("[[1, 2]]", r"a\.json: no list 'points'; expected"),
        ('{"points": {"x": 1}}', r"a\.json: no list 'points'"),
        ('{"points": [[1, 2], [1, 2, 3]]}', r"a\.json: point 2 is \[1, 2, 3\]; expected \[x, y\]"),
        ('{"points": [["1", 2]]}', r'a\.json: point 1 is \["1", 2\]'),
        ('{"points": [[NaN, 2]]}', r"a\.json: point 1 is \[NaN, 2\]"),
        ('{"points": [[true, 2]]}', r"a\.json: point 1 is"),
        ('{"points": [5]}', r"a\.json: point 1 is 5"),
        ('{"points": [[1, 2], [1e300, 2]]}', r"a\.json: point 2 is"),
        ('{"points": [[1, 2], [42, 2]]}', r"a\.json: point 2 \(x 42, y 2\) lies outside its image; expected .* 40x30 pixels$"),
        ('{"points": [[1, 2], [20, 38]]}', r"a\.json: point 2 \(x 20, y 38\) .*are x and y exchanged\?"),
    ],
)
def test_faults_of_json_are_named(folder, content, told):
    as_json(folder, "train")
    as_json(folder, "val")
    (folder / "train/a.json").write_text(content)
    with pytest.raises(ValueError, match=told):
        data(folder).check()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", r"train\.csv: its first line is ''; expected a header with the columns image, x, y"),
        ("a.jpg,1,2\n", r"train\.csv: its first line is 'a\.jpg,1,2'"),
        ("image;x;y\na.jpg;1;2\n", r"train\.csv: its first line is 'image;x;y'"),
        ("image,x,y,x\n", r"train\.csv: its first line is"),
        ("image,x,y\na.jpg,1,2\nd.jpg,1,2\n", r"train\.csv: line 3: no image 'd\.jpg' in .*train; expected"),
        ("image,x,y\na.jpg,1\n", r"train\.csv: line 2 has 2 values; expected 3"),
        ("image,x,y\na.jpg,1,5,2,5\n", r"train\.csv: line 2 has 5 values; expected 3"),
        ("image,x,y\na.jpg,one,2\n", r"train\.csv: line 2: x is 'one'; expected a number"),
        ("image,x,y\na.jpg,1,nan\n", r"train\.csv: line 2: y is 'nan'"),
        ("image,x,y\na.jpg,1,\n", r"train\.csv: line 2: y is ''"),
        ("image,x,y\na.jpg,1,2\na.jpg,41.5,2\n", r"train\.csv: a\.jpg: point 2 \(x 41\.5, y 2\) lies outside its image"),
        (b"image,x,y\n\xff.jpg,1,2\n", r"train\.csv: not a readable CSV file"),
        ("image,x,y\n", r"train\.csv: none of the training split's 3 images has a point"),
    ],
)
def test_faults_of_csv_are_named(folder, content, told):
    as_json(folder, "val")
    (folder / "train.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=told):
        data(folder).check()


def break_image(folder):
    (folder / "train/a.jpg").write_bytes(b"not an image")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda folder: (folder / "train/a.json").unlink(), r"a\.json: missing file; expected .* for a\.jpg, or .*train\.csv"),
        (lambda folder: (folder / "train/d.json").write_text('{"points": []}'), r"d\.json: no image of this name beside it"),
        (lambda folder: (folder / "train/a.jpg").unlink(), r"a\.json: no image of this name"),
        (
            lambda folder: (folder / "train/b.png").rename(folder / "train/a.png"),
            r"a\.png: its points .* the file of a\.jpg",
        ),
        (lambda folder: as_csv(folder, "train"), r"train\.csv: beside 3 JSON files in .*train; expected"),
        (break_image, r"a\.jpg: not a readable image"),
        (lambda folder: [path.unlink() for path in (folder / "val").iterdir()], r"val: no image in this folder; expected files"),
        (lambda folder: (folder / "val").rename(folder / "test"), r"val: missing folder; expected"),
    ],
)
def test_faults_of_the_folders_are_named(folder, harm, told):
    as_json(folder, "train")
    as_json(folder, "val")
    harm(folder)
    with pytest.raises(ValueError, match=told):
        data(folder).check()


def test_images_too_small_to_count_in_are_named(folder, picture):
    as_json(folder, "train")
    as_json(folder, "val")
    picture(folder / "train/b.png", (64, 15))
    with pytest.raises(ValueError, match=r"b\.png: 64x15 pixels; expected sides of 16 or more"):
        data(folder).check()


def test_a_validation_split_without_any_point_is_fine(folder):
    as_json(folder, "train")
    as_csv(folder, "val", {})
    data(folder).check()
    assert [len(target["points"]) for _, target in data(folder).val_set(32)] == [0, 0, 0]
