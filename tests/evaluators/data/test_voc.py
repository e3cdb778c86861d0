"""Pascal VOC's layout, made small: where splits are found, how a file is read, and an error with a name for each fault."""

import pickle
import shutil

import pytest
import torch

from evaluators.data import DATA
from evaluators.data import voc as reader
from evaluators.data.voc import CLASSES

HEAD = "<annotation><folder>VOC2007</folder><filename>stale.jpg</filename>"


def box(xmin, ymin, xmax, ymax):
    return f"<bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>"


def thing(name, *corners, more=""):
    return f"<object><name>{name}</name>{more}{box(*corners)}</object>"


def annotation(*objects, size=(40, 30)):
    sides = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>3</depth></size>" if size else ""
    return f"{HEAD}{sides}<segmented>0</segmented>{''.join(objects)}</annotation>"


DOG = thing("dog", 11, 6, 30, 26, more="<pose>Left</pose><truncated>1</truncated><difficult>0</difficult>")
HARD = thing("person", 1, 1, 40, 30, more="<difficult>1</difficult>")
HEADED = (
    f"<object><name>person</name>{box(2, 2, 20, 29)}<difficult>0</difficult>"
    f"<part><name>head</name>{box(5, 3, 9, 8)}</part></object>"
)


@pytest.fixture
def write(picture):
    """Adds an image, its annotation and a line in a list."""

    def add(folder, split, name, xml, *, size=(40, 30), ending=".jpg"):
        picture(folder / "JPEGImages" / f"{name}{ending}", size)
        listing = folder / "ImageSets/Main" / f"{split}.txt"
        for path in (listing, folder / "Annotations" / f"{name}.xml"):
            path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "Annotations" / f"{name}.xml").write_text(xml)
        listing.write_text((listing.read_text() if listing.exists() else "") + f"{name}\n")

    return add


@pytest.fixture
def devkit(tmp_path, write):
    """VOC2007 of three training, two validation and one test image; the lists of single classes are there as published."""
    folder = tmp_path / "VOCdevkit/VOC2007"
    write(folder, "train", "000012", annotation(DOG, HARD))
    write(folder, "train", "000017", annotation())
    write(folder, "train", "000023", annotation(HEADED, size=(20, 50)), size=(20, 50))
    write(folder, "val", "000005", annotation(DOG, HARD))
    write(folder, "val", "000007", annotation())
    write(folder, "test", "000001", annotation(DOG))
    for split in ("train", "val"):
        (folder / f"ImageSets/Main/dog_{split}.txt").write_text("000012  1\n000017 -1\n")
    (folder / "ImageSets/Main/trainval.txt").write_text("000005\n000007\n000012\n000017\n000023\n")
    return folder


def voc(root, **settings):
    return DATA["voc"](root=str(root), **settings)


def test_the_published_layout_is_found_from_each_of_its_folders(devkit, tmp_path):
    for root in (devkit, devkit.parent, tmp_path):
        data = voc(root)
        data.check()
        assert data.class_names == CLASSES
        assert data.classes == 20
        assert [image.path.stem for image in data.images("train")] == ["000012", "000017", "000023"]
    both = voc(devkit, train="trainval", val="test")
    both.check()
    assert (len(both.train_set(32, 1.0, 0)), len(both.val_set(32))) == (5, 1)
    assert len(both.train_set(32, 0.4, 0)) == 2


def test_archives_that_were_unpacked_into_folders_of_their_own(devkit, tmp_path):
    root = tmp_path / "unpacked"
    shutil.copytree(devkit, root / "trainval/VOCdevkit/VOC2007")
    shutil.copytree(devkit, root / "test/VOCdevkit/VOC2007")
    for name in ("train", "val", "trainval"):
        (root / f"test/VOCdevkit/VOC2007/ImageSets/Main/{name}.txt").unlink()
    (root / "trainval/VOCdevkit/VOC2007/ImageSets/Main/test.txt").unlink()
    data = voc(root, train="trainval", val="test")
    data.check()
    assert "unpacked/test/" in str(data.images("val")[0].path)
    assert "unpacked/trainval/" in str(data.images("train")[0].path)


def test_another_year_is_not_taken_for_this_one(devkit):
    with pytest.raises(ValueError, match=r"no ImageSets/Main/train\.txt in it, its VOC2012"):
        voc(devkit.parent, year=2012).check()
    shutil.copytree(devkit, devkit.parent / "VOC2012")
    assert "VOC2012" in str(voc(devkit.parent, year=2012).images("train")[0].path)
    assert "VOC2007" in str(voc(devkit.parent).images("train")[0].path)


def test_an_item_has_corners_minus_1_difficult_as_ignored_and_no_parts(devkit):
    train = voc(devkit).train_set(32, 1.0, 0)
    assert not train.uniform
    image, target = train[0]
    assert (image.shape, image.dtype) == ((3, 30, 40), torch.uint8)
    assert target["boxes"].tolist() == [[10, 5, 29, 25], [0, 0, 39, 29]]
    assert (target["boxes"].canvas_size, target["boxes"].dtype) == ((30, 40), torch.float32)
    assert target["labels"].tolist() == [CLASSES.index("dog"), CLASSES.index("person")]
    assert target["ignored"].tolist() == [False, True]
    assert target["scale"] == 1.0
    empty = train[1][1]
    assert (empty["boxes"].shape, empty["labels"].shape, empty["ignored"].shape) == ((0, 4), (0,), (0,))
    assert (empty["labels"].dtype, empty["ignored"].dtype) == (torch.int64, torch.bool)
    assert train[2][1]["boxes"].tolist() == [[1, 1, 19, 28]]


def test_validation_is_letterboxed_and_sets_pickle(devkit):
    val = pickle.loads(pickle.dumps(voc(devkit).val_set(20)))
    assert val.uniform
    image, target = val[0]
    assert image.shape == (3, 20, 20)
    assert (image[:, :15] == 100).all()
    assert (image[:, 15:] == 114).all()
    assert target["scale"] == 0.5
    assert target["boxes"].tolist() == [[5, 2.5, 14.5, 12.5], [0, 0, 19.5, 14.5]]
    assert val[1][1]["boxes"].shape == (0, 4)


def test_own_classes_endings_and_the_tags_that_may_be_missing(tmp_path, write):
    write(tmp_path, "train", "b c", annotation(thing("hat", 1, 1, 10.5, 10), size=None), ending=".PNG")
    write(tmp_path, "train", "d", annotation(thing(" cap ", 0, 0, 41, 31), size=(0, 0)))
    write(tmp_path, "val", "e", annotation(thing("hat", 3, 3, 9, 9)))
    listing = tmp_path / "ImageSets/Main/train.txt"
    listing.write_bytes("\ufeff".encode() + listing.read_bytes().replace(b"\n", b"\r\n") + b"d\r\n\r\n")
    data = voc(tmp_path)
    data.check()
    assert data.class_names == ("cap", "hat")
    train = data.train_set(32, 1.0, 0)
    assert len(train) == 2
    assert train[0][1]["boxes"].tolist() == [[0, 0, 9.5, 9]]
    assert train[1][1]["boxes"].tolist() == [[0, 0, 40, 30]]  # counted from 0: cut at the border
    assert not train[0][1]["ignored"].any()
    named = voc(tmp_path, names=["hat", "cap", "scarf"])
    named.check()
    assert (named.classes, named.train_set(32, 1.0, 0)[0][1]["labels"].tolist()) == (3, [0])


def test_boxes_of_a_stray_click_can_be_left_out(devkit):
    (devkit / "Annotations/000012.xml").write_text(annotation(thing("dog", 11, 6, 11, 6), DOG, thing("cat", 41, 2, 41, 9)))
    data = voc(devkit, drop_flat=True)
    data.check()
    assert data.train_set(32, 1.0, 0)[0][1]["boxes"].tolist() == [[10, 5, 29, 25]]


def test_an_image_annotated_as_viewers_turn_it_is_turned(tmp_path, write, picture):
    write(tmp_path, "train", "a", annotation(DOG))
    write(tmp_path, "val", "b", annotation(DOG))
    picture(tmp_path / "JPEGImages/a.jpg", (30, 40), turned=True)
    data = voc(tmp_path)
    data.check()
    assert data.train_set(32, 1.0, 0)[0][0].shape == (3, 30, 40)


def test_a_check_of_unchanged_files_is_remembered(devkit, cache):
    voc(devkit).check()
    stamps = sorted(path.name for path in (cache / "paredown/checked").iterdir())
    assert len(stamps) == 3  # the annotations of two splits, and the images
    voc(devkit.parent).check()
    assert sorted(path.name for path in (cache / "paredown/checked").iterdir()) == stamps


FAULTS = [
    (annotation(thing("dog", 11, 6, 43, 26)), r"000012\.xml: object 1 \('dog'\): its box .*xmax 43.* lies outside .* 40x30 pixels"),
    (annotation(DOG, thing("cat", -3, 6, 20, 26)), r"object 2 \('cat'\): its box \(xmin -3, .* lies outside"),
    (annotation(thing("dog", 11, 6, 11, 26)), r"xmin 11, .* has no area .* data\.drop_flat=true"),
    (annotation(thing("dog", 21, 6, 11, 26)), r"ends before it begins"),
    (annotation(thing("dog", "nan", 6, 11, 26)), r"<bndbox/xmin> is 'nan'; expected a number"),
    (annotation(thing("dog", "left", 6, 11, 26)), r"<bndbox/xmin> is 'left'; expected a number"),
    (annotation("<object><name>dog</name></object>"), r"object 1 \('dog'\) has no <bndbox/xmin>"),
    (annotation(f"<object>{box(1, 1, 9, 9)}</object>"), r"object 1 has no name"),
    (annotation(thing("dog", 1, 1, 9, 9, more="<difficult>yes</difficult>")), r"<difficult> is 'yes'"),
    (annotation(thing("dog", 1, 1, 9, 9, more="<difficult>2</difficult>")), r"<difficult> is 2; expected 0 or 1"),
    (annotation(DOG)[:-9], r"000012\.xml: not a readable XML file"),
    ("<html></html>", r"outermost tag is <html>; expected <annotation>"),
    (annotation(DOG, size=(41, 30)), r"000012\.jpg: 40x30 pixels; expected 41x30, which .*000012\.xml says"),
]


@pytest.mark.parametrize(("xml", "told"), FAULTS)
def test_a_fault_of_a_file_is_named(devkit, xml, told):
    (devkit / "Annotations/000012.xml").write_text(xml)
    with pytest.raises(ValueError, match=told):
        voc(devkit).check()


def test_missing_files_and_empty_splits_are_named(devkit):
    with pytest.raises(ValueError, match=r"no ImageSets/Main/night\.txt .*the lists there are test, train, trainval, val$"):
        voc(devkit, val="night").check()
    with pytest.raises(ValueError, match=r"none of these folders has any list"):
        voc(devkit / "JPEGImages").check()
    (devkit / "ImageSets/Main/none.txt").write_text("\n\n")
    with pytest.raises(ValueError, match=r"none\.txt: an empty list"):
        voc(devkit, val="none").check()
    (devkit / "ImageSets/Main/bare.txt").write_text("000007\n")
    with pytest.raises(ValueError, match=r"000007\.xml: none of the val split's 1 images has a box that is scored"):
        voc(devkit, val="bare").check()
    (devkit / "Annotations/000005.xml").write_text(annotation(HARD))
    with pytest.raises(ValueError, match=r"none of the val split's 2 images has a box that is scored"):
        voc(devkit).check()


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("JPEGImages/000017.jpg", r"JPEGImages/000017\.jpg: missing image .*train\.txt names '000017'"),
        ("Annotations/000017.xml", r"Annotations/000017\.xml: missing annotation; .*train\.txt names '000017'"),
    ],
)
def test_a_listed_file_that_is_missing_is_named(devkit, file, told):
    (devkit / file).unlink()
    with pytest.raises(ValueError, match=told):
        voc(devkit).check()


def test_an_unreadable_image_is_named(devkit):
    (devkit / "JPEGImages/000017.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"000017\.jpg: not a readable image"):
        voc(devkit).check()


def test_classes_of_validation_must_be_known(devkit):
    (devkit / "Annotations/000005.xml").write_text(annotation(thing("dogg", 1, 1, 9, 9)))
    with pytest.raises(ValueError, match=r"000005\.xml: unknown class 'dogg'; .*Did you mean 'dog'\?"):
        voc(devkit).check()
    with pytest.raises(ValueError, match=r"000012\.xml: unknown class 'person'; known: dog"):
        voc(devkit, names=["dog"]).check()
    with pytest.raises(ValueError, match=r"data\.names: .*each class once"):
        voc(devkit, names=["dog", "dog"])


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (
            ("dog", "person", "hosre"),
            r"000012\.xml: class 'hosre' is none of .* Did you mean 'horse'\? data\.names=\[.* allows",
        ),
        (("dog", "cat", "zeppelin"), r"class 'zeppelin' is none of Pascal VOC's; known: aeroplane, .*tvmonitor\. data\.names"),
        (("TVMonitor", "hat", "cap"), r"class 'TVMonitor' is none of .* Did you mean 'tvmonitor'\? data\.names"),
    ],
)
def test_a_slip_in_a_published_class_is_named_and_names_allow_it(devkit, names, told):
    (devkit / "Annotations/000012.xml").write_text(annotation(*(thing(name, 1, 1, 9, 9) for name in names)))
    (devkit / "Annotations/000023.xml").write_text(annotation(size=(20, 50)))
    (devkit / "Annotations/000005.xml").write_text(annotation(thing(names[-1], 1, 1, 9, 9)))
    with pytest.raises(ValueError, match=told):
        voc(devkit).check()
    own = voc(devkit, names=list(names))
    own.check()
    assert own.class_names == names


def test_own_classes_may_share_some_with_the_published_ones(devkit):
    for name in ("000012", "000023", "000005"):
        size = (20, 50) if name == "000023" else (40, 30)
        (devkit / f"Annotations/{name}.xml").write_text(
            annotation(thing("person", 1, 1, 9, 9), thing("helmet", 1, 1, 9, 9), size=size)
        )
    data = voc(devkit)
    data.check()
    assert data.class_names == ("helmet", "person")


def test_a_size_that_the_annotation_lacks_follows_its_image(devkit, picture):
    (devkit / "Annotations/000012.xml").write_text(annotation(thing("dog", 1, 1, 41, 30), size=None))
    voc(devkit).check()
    assert voc(devkit).images("train")[0].xyxy.tolist() == [[0, 0, 40, 29]]
    picture(devkit / "JPEGImages/000012.jpg", (64, 30))
    reader.read_split.cache_clear()  # as in another process
    data = voc(devkit)
    data.check()
    assert data.images("train")[0].size == (64, 30)
    picture(devkit / "JPEGImages/000012.jpg", (20, 30))
    reader.read_split.cache_clear()
    with pytest.raises(ValueError, match=r"000012\.xml: object 1 .* lies outside its image; expected one within its 20x30 pixels"):
        voc(devkit).check()


def test_an_image_cut_short_near_its_end_is_named(devkit):
    path = devkit / "JPEGImages/000017.jpg"
    voc(devkit).check()
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"000017\.jpg: not a readable image .*truncated"):
        voc(devkit).check()
    with pytest.raises(ValueError, match=r"000017\.jpg: not a readable image .*truncated"):
        voc(devkit).train_set(32, 1.0, 0)[1]


def test_splits_may_be_one_and_the_same_but_not_overlap(devkit):
    voc(devkit, val="train").check()
    with pytest.raises(ValueError, match=r"000005\.jpg: 2 of the 2 validation images are trained on too"):
        voc(devkit, train="trainval").check()
