"""COCO's format, made small: what an item holds, what may be missing, and an error with a name for each fault."""

import json
import math

import pytest

from evaluators.data import DATA
from evaluators.data import coco as reader

CATEGORIES = [{"id": 18, "name": "dog", "supercategory": "animal"}, {"id": 3, "name": "car"}, {"id": 90, "name": "toothbrush"}]
NAMED = {"train": ("annotations/instances_train2017.json", "train2017"), "val": ("annotations/instances_val2017.json", "val2017")}


def image(key, size=(40, 30)):
    return {"id": key, "file_name": f"{key:012}.jpg", "width": size[0], "height": size[1]}


def thing(key, place, category, bbox, **more):
    return {"id": key, "image_id": place, "category_id": category, "bbox": bbox, **more}


def train():
    return {
        "info": {},
        "categories": CATEGORIES,
        "images": [image(9, (20, 50)), image(7), image(8)],
        "annotations": [
            thing(1, 7, 18, [10.5, 5, 20, 20.25], area=300.0, iscrowd=0, segmentation=[[1, 2, 3, 4, 5, 6]]),
            thing(2, 7, 3, [0, 0, 40, 30], iscrowd=1, area=900),
            thing(3, 9, 90, [-0.4, 1, 20.9, 10]),
        ],
    }


def val():
    return {
        "categories": CATEGORIES[:2],
        "images": [image(1), image(2)],
        "annotations": [thing(1, 1, 3, [4, 4, 8, 8]), thing(2, 1, 18, [0, 0, 20, 30], iscrowd=1)],
    }


@pytest.fixture
def coco(tmp_path, picture):
    """Writes the two files, and their images, then the data set; the names are those of COCO 2017 unless told."""

    def make(train=None, val=None, *, named=NAMED, **settings):
        for split, content in (("train", train or TRAIN()), ("val", val or VAL())):
            table, folder = (tmp_path / name for name in named[split])
            table.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            table.write_text(content if isinstance(content, str) else json.dumps(content))
            for entry in content.get("images", []) if isinstance(content, dict) else []:
                if isinstance(entry, dict) and entry.get("file_name"):
                    picture(folder / entry["file_name"], (20, 50) if entry["id"] == 9 else (40, 30))
        return DATA["coco"](root=str(tmp_path), **settings)

    return make


TRAIN, VAL = train, val


def test_published_names_and_contiguous_classes(coco):
    data = coco()
    data.check()
    assert (data.classes, data.class_names) == (3, ("car", "dog", "toothbrush"))
    learned = data.train_set(32, 1.0, 0)
    assert (len(learned), learned.uniform) == (3, False)
    picture, target = learned[0]
    assert picture.shape == (3, 30, 40)
    assert target["boxes"].tolist() == [[10.5, 5, 30.5, 25.25]]  # without the crowd
    assert (target["labels"].tolist(), target["ignored"].tolist(), target["scale"]) == ([1], [False], 1.0)
    assert learned[1][1]["boxes"].shape == (0, 4)
    assert learned[2][1]["boxes"].tolist() == [[0, 1, 20, 11]]  # a rounding past the border is cut off
    assert len(data.train_set(32, 0.4, 0)) == 1


def test_validation_keeps_crowds_as_ignored(coco):
    judged = coco().val_set(20)
    assert (len(judged), judged.uniform) == (2, True)
    picture, target = judged[0]
    assert picture.shape == (3, 20, 20)
    assert target["boxes"].tolist() == [[2, 2, 6, 6], [0, 0, 10, 15]]
    assert (target["labels"].tolist(), target["ignored"].tolist(), target["scale"]) == ([0, 1], [False, True], 0.5)
    assert judged[1][1]["labels"].shape == (0,)


def test_own_names_and_folders_and_images_without_a_size(coco, tmp_path):
    named = {"train": ("train/_annotations.coco.json", "train"), "val": ("valid/_annotations.coco.json", "valid")}
    content = val()
    content["images"] = [{"id": entry["id"], "file_name": f"deep/{entry['file_name']}"} for entry in content["images"]]
    settings = {f"{split}_{part}": named[split][k] for split in named for k, part in enumerate(("annotations", "images"))}
    data = coco(val=content, named=named, **settings)
    data.check()
    assert data.val_set(20)[0][1]["scale"] == 0.5
    assert data.images("val")[0].path == tmp_path / "valid/deep/000000000001.jpg"


def test_categories_of_one_name_are_one_class_and_files_may_number_them_differently(coco):
    content, other = train(), val()
    content["categories"] = [{"id": 0, "name": "dog", "supercategory": "none"}, *CATEGORIES]
    other["categories"] = [{"id": 18, "name": "car"}, {"id": 3, "name": "dog"}]
    data = coco(content, other)
    data.check()
    assert data.class_names == ("dog", "car", "toothbrush")
    assert data.train_set(32, 1.0, 0)[0][1]["labels"].tolist() == [0]
    assert data.val_set(32)[0][1]["labels"].tolist() == [0, 1]


def test_flat_boxes_are_left_out_or_refused(coco):
    content = train()
    content["annotations"] += [thing(5, 8, 3, [4, 4, 8, 0]), thing(6, 8, 3, [40, 4, 0.5, 8]), thing(7, 8, 3, [1, 1, 2, 2])]
    data = coco(content)
    data.check()
    assert data.train_set(32, 1.0, 0)[1][1]["boxes"].tolist() == [[1, 1, 3, 3]]
    with pytest.raises(ValueError, match=r"annotation 5 of image 0+8\.jpg \('car'\): its box .*4, 4, 8, 0\) has no area"):
        coco(content, drop_flat=False).check()


def test_another_process_does_not_parse_an_unchanged_file_again(coco, monkeypatch):
    data = coco()
    data.check()
    reader.read_file.cache_clear()
    monkeypatch.setattr(reader, "parsed", lambda *given: pytest.fail("parsed again"))
    data.check()
    assert data.train_set(32, 1.0, 0)[0][1]["boxes"].tolist() == [[10.5, 5, 30.5, 25.25]]


def test_numbers_may_be_written_as_tables_write_them(coco):
    content = changed("images", 1, width=40.0, height="30")
    content["annotations"][0] |= {"image_id": 7.0, "category_id": 18.0}
    data = coco(content)
    data.check()
    assert data.train_set(32, 1.0, 0)[0][1]["labels"].tolist() == [1]


def test_a_size_that_the_file_lacks_follows_its_image(coco, tmp_path, picture):
    content = without("images", 1, "width")
    content["annotations"] = [thing(1, 7, 18, [0, 0, 41, 30]), thing(2, 9, 90, [0, 1, 20, 10])]
    data = coco(content)
    data.check()
    assert data.images("train")[0].xyxy.tolist() == [[0, 0, 40, 30]]
    assert data.images("train")[2].xyxy.tolist() == [[0, 1, 20, 11]]
    path = picture(tmp_path / "train2017/000000000007.jpg", (64, 30))
    reader.read_file.cache_clear()  # as in another process
    data.check()
    assert data.images("train")[0].size == (64, 30)
    picture(path, (20, 30))
    reader.read_file.cache_clear()
    with pytest.raises(ValueError, match=r"annotation 1 of image 0+7\.jpg .* outside its image; .* its 20x30 pixels"):
        data.check()
    path.unlink()
    reader.read_file.cache_clear()
    with pytest.raises(ValueError, match=r"0007\.jpg: missing image; expected it, since .*train2017\.json names it"):
        data.check()


def test_an_image_cut_short_near_its_end_is_named(coco, tmp_path):
    data = coco()
    path = tmp_path / "train2017/000000000008.jpg"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"0008\.jpg: not a readable image .*truncated"):
        data.check()


def changed(part, place, **values):
    """The training file with an entry's values replaced."""
    content = train()
    content[part] = [dict(entry) | (values if k == place else {}) for k, entry in enumerate(content[part])]
    return content


def without(part, place, key):
    content = changed(part, place)
    del content[part][place][key]
    return content


FAULTS = [
    (
        changed("annotations", 0, bbox=[30, 5, 20, 20]),
        r"2017\.json: annotation 1 of image .*7\.jpg \('dog'\): its box .* outside",
    ),
    (changed("annotations", 0, bbox=[-3, 5, 20, 20]), r"lies outside its image; expected one within its 40x30 pixels"),
    (changed("annotations", 0, bbox=[5, 5, -2, 20]), r"bbox \[5, 5, -2, 20\]; expected \[x, y, width, height\]"),
    (changed("annotations", 0, bbox=[5, 5, 20]), r"bbox \[5, 5, 20\]; expected"),
    (changed("annotations", 0, bbox=[5, 5, math.nan, 3]), r"bbox \[5, 5, nan, 3\]; expected"),
    (changed("annotations", 0, bbox="5 5 3 3"), r"bbox '5 5 3 3'; expected"),
    (changed("annotations", 1, category_id=19), r"annotation 2 .*category_id 19; known: 3, 18, 90"),
    (changed("annotations", 1, image_id=70), r"annotation 2: image_id 70; expected the id of one of the 3 images"),
    (
        changed("annotations", 1, category_id="18"),
        r"annotation 2 .*category_id '18' is a text; expected a whole number, as",
    ),
    (changed("annotations", 1, category_id=[18]), r"annotation 2 .*category_id \[18\] is of type list; expected a whole number"),
    (changed("annotations", 1, category_id=True), r"category_id True is of type bool; expected a whole number"),
    (changed("annotations", 1, category_id=18.5), r"category_id 18\.5 is a number; expected a whole number"),
    (changed("annotations", 1, image_id=[7]), r"annotation 2: image_id \[7\] is of type list; expected a whole number"),
    (changed("annotations", 1, image_id="7"), r"annotation 2: image_id '7' is a text; expected a whole number"),
    (changed("annotations", 1, image_id=None), r"annotation 2: image_id None is of type NoneType; expected"),
    (
        changed("images", 1, width="128px"),
        r"train2017\.json: image 7 \(0+7\.jpg\): width '128px'; expected a whole number",
    ),
    (changed("images", 1, height=[30]), r"train2017\.json: image 7 .*: height \[30\]; expected a whole number of pixels above 0"),
    (changed("images", 1, width=-40), r"width -40; expected a whole number of pixels above 0"),
    (changed("images", 1, width=40.5), r"width 40\.5; expected a whole number"),
    (changed("images", 1, height=math.inf), r"height inf; expected a whole number"),
    (changed("images", 1, file_name=None), r"train2017\.json: images, id 7: file_name None; expected a text"),
    (changed("images", 1, file_name=""), r"images, id 7: file_name ''; expected a text"),
    (changed("categories", 1, name=None), r"categories, id 3: name None; expected a text"),
    (changed("categories", 0, id=True), r"categories: id True; expected whole numbers"),
    (without("annotations", 2, "bbox"), r"annotation 3 is .*; expected image_id, category_id and bbox"),
    (without("images", 1, "file_name"), r"images, entry at place 1 is .*; expected an id and a file_name"),
    (changed("images", 1, id=9), r"images: 3 entries have 2 ids"),
    (changed("images", 1, id="7"), r"images: id '7'; expected whole numbers"),
    (changed("images", 1, width=41), r"0007\.jpg: 40x30 pixels; expected 41x30, which .*train2017\.json says"),
    (train() | {"categories": []}, r"'categories' is empty"),
    (train() | {"images": [], "annotations": []}, r"'images' is empty"),
    (train() | {"annotations": {}}, r"no list 'annotations'"),
    (train() | {"annotations": []}, r"none of the train split's 3 images has a box that is scored"),
    (train() | {"annotations": train()["annotations"][1:2]}, r"none of the train split's 3 images has a box that is scored"),
    ("{", r"instances_train2017\.json: not a readable JSON file"),
    ("[]", r"no list 'images'; expected COCO's format"),
]


@pytest.mark.parametrize(("content", "told"), FAULTS)
def test_a_fault_of_the_file_is_named(coco, content, told):
    with pytest.raises(ValueError, match=told):
        coco(content).check()


def test_missing_files_are_named(coco, tmp_path):
    data = coco()
    (tmp_path / "train2017/000000000008.jpg").unlink()
    with pytest.raises(ValueError, match=r"0008\.jpg: missing image; expected it, since .*train2017\.json names it"):
        data.check()
    with pytest.raises(ValueError, match=r"night: missing folder; .*data\.val_images=<"):
        coco(val_images="night").check()
    with pytest.raises(ValueError, match=r"night\.json: missing file; .*data\.val_annotations=<"):
        coco(val_annotations="night.json").check()


def test_a_class_that_training_lacks_is_named(coco):
    content = val()
    content["categories"] = [{"id": 3, "name": "cars"}, {"id": 18, "name": "dog"}]
    with pytest.raises(ValueError, match=r"val2017\.json: unknown class 'cars'; .*Did you mean 'car'\?"):
        coco(val=content).check()


def test_one_file_for_both_splits_is_allowed_and_shared_images_are_not(coco):
    table, folder = NAMED["train"]
    coco(val_annotations=table, val_images=folder).check()
    content = val()
    content["images"] = [image(7), image(2)]
    content["annotations"] = [thing(1, 7, 3, [4, 4, 8, 8])]
    data = coco(val=content, named=NAMED | {"val": (NAMED["val"][0], "train2017")}, val_images="train2017")
    with pytest.raises(ValueError, match=r"0007\.jpg: 1 of the 2 validation images are trained on too"):
        data.check()
