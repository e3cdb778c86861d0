"""ShanghaiTech's published layout, made small: where parts are found, what is judged by, and an error for each fault."""

import pickle
import random

import numpy as np
import pytest
from scipy.io import savemat

from evaluators.data import DATA
from evaluators.data.shanghaitech import read_mat

SIZE = (48, 32)


def write_mat(path, points):
    """A cell that holds a struct of `location` (N, 2) and `number`, as published."""
    path.parent.mkdir(parents=True, exist_ok=True)
    xy, cell = np.array(points, np.float64).reshape(-1, 2), np.empty((1, 1), object)
    cell[0, 0] = {"location": xy, "number": np.array([[len(xy)]], np.uint8)}
    savemat(path, {"image_info": cell}, do_compression=True)


@pytest.fixture
def write(picture):
    """A part of 20 training and 3 test images; image k has k points, the last training image none."""

    def add(home, truths="ground-truth"):
        for split, count in (("train_data", 20), ("test_data", 3)):
            for number in range(1, count + 1):
                picture(home / split / f"images/IMG_{number}.jpg", SIZE)
                points = [] if number == 20 else [(number + 0.25, place + 0.5) for place in range(number)]
                write_mat(home / split / truths / f"GT_IMG_{number}.mat", points)
        return home

    return add


def crowds(root, **settings):
    return DATA["shanghaitech"](root=str(root), **settings)


@pytest.mark.parametrize(("inner", "truths"), [("part_A", "ground-truth"), ("ShanghaiTech/part_A_final", "ground_truth")])
def test_both_published_spellings_are_found_from_each_of_their_folders(write, tmp_path, inner, truths):
    home = write(tmp_path / "data" / inner, truths)
    for root in {home, home.parent, tmp_path / "data"}:
        data = crowds(root, val="test")
        data.check()
        assert (data.classes, data.class_names) == (1, ("person",))
        assert [image.path.stem for image in data.images("val")] == ["IMG_1", "IMG_2", "IMG_3"]
    train = data.train_set(32, 1.0, 0)
    assert len(train) == 20
    assert not train.uniform
    image, target = train[2]  # IMG_3: by number, not by letter
    assert image.shape == (3, SIZE[1], SIZE[0])
    assert target["points"].tolist() == [[3.25, 0.5], [3.25, 1.5], [3.25, 2.5]]
    assert train[19][1]["points"].shape == (0, 2)


def test_one_part_is_not_taken_for_the_other(write, tmp_path):
    home = write(tmp_path / "part_B_final")
    for root in (tmp_path, home):
        crowds(root, part="B").check()
        with pytest.raises(ValueError, match=r"is no part_A \(or part_A_final\) with train_data/"):
            crowds(root).check()
    write(tmp_path / "part_A")
    assert "part_A" in str(crowds(tmp_path).images("train")[0].path)
    assert "part_B" in str(crowds(tmp_path, part="B").images("train")[0].path)


def test_a_folder_of_another_name_is_either_part(write, tmp_path):
    assert len(crowds(write(tmp_path / "mine")).images("val")) == 2


@pytest.mark.parametrize(("part", "count"), [(0.1, 2), (0.5, 10), (0.001, 1), (0.999, 19)])
def test_what_is_held_out_is_not_trained_on_and_always_the_same(write, tmp_path, part, count):
    data = crowds(write(tmp_path / "part_A"), held_out=part)
    data.check()
    train, val = ([image.path for image in data.images(split)] for split in ("train", "val"))
    assert len(val) == count
    assert len(set(train) | set(val)) == len(train) + len(val) == 20
    assert all("train_data" in str(path) for path in val)
    assert [image.path for image in pickle.loads(pickle.dumps(data)).images("val")] == val


def test_test_may_be_missing_unless_it_judges(write, tmp_path):
    home = write(tmp_path / "part_A")
    (home / "test_data").rename(tmp_path / "gone")
    crowds(home).check()
    with pytest.raises(ValueError, match=r"test_data/images: missing folder"):
        crowds(home, val="test").check()


def test_heads_just_outside_are_moved_onto_the_edge_and_still_counted(write, tmp_path):
    home = write(tmp_path / "part_A")
    write_mat(home / "train_data/ground-truth/GT_IMG_1.mat", [(49.5, 3), (-2, 34)])
    data = crowds(home, val="test")
    assert data.images("train")[0].xy.tolist() == [[48, 3], [0, 32]]
    write_mat(home / "test_data/ground-truth/GT_IMG_1.mat", [(3, 3), (70, 3)])
    with pytest.raises(ValueError, match=r"GT_IMG_1\.mat: point 2 \(x 70, y 3\) lies outside its image; .* 48x32"):
        data.check()


def harm_mat(write_bad):
    return lambda home: write_bad(home / "train_data/ground-truth/GT_IMG_2.mat")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (harm_mat(lambda path: path.write_bytes(b"nothing")), r"GT_IMG_2\.mat: not a readable \.mat file of points"),
        (harm_mat(lambda path: path.write_bytes(b"")), r"GT_IMG_2\.mat: not a readable \.mat file"),
        (harm_mat(lambda path: path.write_bytes(path.read_bytes()[:-40])), r"GT_IMG_2\.mat: not a readable \.mat file"),
        (harm_mat(lambda path: savemat(path, {"points": np.zeros((3, 2))})), r"GT_IMG_2\.mat: not a readable .* image_info"),
        (harm_mat(lambda path: savemat(path, {"image_info": np.zeros((3, 2))})), r"GT_IMG_2\.mat: not a readable .* image_info"),
        (harm_mat(lambda path: write_mat(path, [(3, float("nan"))])), r"GT_IMG_2\.mat: point 1 \(x 3, y nan\) lies outside"),
        (harm_mat(lambda path: path.unlink()), r"GT_IMG_2\.mat: missing file; expected the points of IMG_2\.jpg"),
        (lambda home: (home / "train_data/images/IMG_2.jpg").unlink(), r"IMG_2\.jpg: missing image; expected it"),
        (lambda home: (home / "train_data/images/IMG_2.jpg").write_bytes(b"x"), r"IMG_2\.jpg: not a readable image"),
        (lambda home: (home / "train_data/ground-truth").rename(home / "gt"), r"ground-truth: missing folder \(and ground_truth\)"),
    ],
)
def test_faults_are_named(write, tmp_path, harm, told):
    home = write(tmp_path / "part_A")
    harm(home)
    with pytest.raises(ValueError, match=told):
        crowds(home).check()


def test_points_of_another_shape_are_named(tmp_path):
    path, cell = tmp_path / "GT_IMG_1.mat", np.empty((1, 1), object)
    cell[0, 0] = {"location": np.zeros((2, 3)), "number": 2}
    savemat(path, {"image_info": cell})
    with pytest.raises(ValueError, match=r"GT_IMG_1\.mat: points of shape \(2, 3\); expected \(N, 2\)"):
        read_mat(path)


def test_damaged_files_are_read_or_named(tmp_path):
    path, rng, named = tmp_path / "GT_IMG_1.mat", random.Random(0), []
    write_mat(path, [(place, place) for place in range(40)])
    sound = path.read_bytes()
    for _ in range(300):
        damaged = bytearray(sound[: rng.randrange(len(sound))] if rng.random() < 0.3 else sound)
        for _ in range(rng.randint(1, 4)):
            if damaged:
                damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            read_mat(path)
        except ValueError as error:
            named.append(str(error))
    assert len(named) > 100
    assert all(str(path) in text for text in named)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"part": "C"}, r"data\.part: unknown 'C'"),
        ({"val": "tset"}, r"data\.val: unknown 'tset'.*test"),
        ({"held_out": 0.0}, r"data\.held_out: 0\.0; expected"),
        ({"held_out": 1.0}, r"data\.held_out: 1\.0; expected"),
    ],
)
def test_bad_settings_are_named(given, told):
    with pytest.raises(ValueError, match=told):
        DATA["shanghaitech"](**given)
