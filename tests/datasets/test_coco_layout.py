"""COCO data sets, as tools export them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from medseg.datasets import open_dataset, survey_dataset
from medseg.datasets.case_table import CaseTable
from medseg.datasets.opening import recognised
from medseg.errors import DatasetError
from medseg.io import read_case_image, read_case_label_map

SQUARE = [[1, 0, 3, 0, 3, 2, 1, 2]]
CATEGORIES = [{"id": 3, "name": "mass"}, {"id": 1, "name": "calcification"}, {"id": 0, "name": "all-lesions"}]


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(path)
    return path


def coco(path: Path, names: list[str], *drawn: int, **changes: Any) -> Path:
    """A file that lists images, of which those with these numbers have a mass and a calcification."""
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = [(i, 3, SQUARE) for i in drawn] + [(i, 1, [[0, 2, 1, 2, 1, 3, 0, 3]]) for i in drawn]
    content: dict[str, Any] = {
        "info": {"description": "x"},
        "images": [{"id": i, "file_name": name, "width": 4, "height": 3} for i, name in enumerate(names)],
        "categories": CATEGORIES,
        "annotations": [
            {"id": n, "image_id": i, "category_id": category, "segmentation": rings, "bbox": [0, 0, 1, 1]}
            for n, (i, category, rings) in enumerate(objects)
        ],
    }
    path.write_text(json.dumps(content | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("place", ["annotations.json", "annotations/all.json"])
@pytest.mark.parametrize("folder", ["", "images"])
def test_one_file_beside_its_images(tmp_path: Path, place: str, folder: str) -> None:
    for name in "ab":
        picture(tmp_path / folder / f"{name}.png")
    coco(tmp_path / place, ["b.png", "a.png"], 0)
    assert recognised(tmp_path) == ("coco",)
    dataset = open_dataset(tmp_path)
    assert [case.id for case in dataset.cases] == ["a", "b"]
    assert dataset.labels is not None
    assert dataset.labels.names == ("mass", "calcification")  # only those that occur, in the order of the file
    empty, drawn = dataset.cases
    assert (empty.negative, empty.masks, empty.labelled) == (True, (), True)
    assert not drawn.negative
    for case, sums in ((empty, [0, 0]), (drawn, [4, 1])):
        mask = read_case_label_map(case, read_case_image(case), dataset.labels).mask
        assert [(mask == value).sum() for value in (1, 2)] == sums
    assert "nothing says whose the images are" in dataset.warnings[0]


def test_the_file_itself_is_a_data_set(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    dataset = open_dataset(coco(tmp_path / "export.json", ["a.png"], 0))
    assert dataset.layout == "coco"
    assert len(dataset) == 1


@pytest.mark.parametrize(
    ("train", "val", "images"),
    [
        ("annotations/instances_train.json", "annotations/instances_val.json", ("images/train", "images/val")),
        ("annotations/instances_train2017.json", "annotations/instances_val2017.json", ("train2017", "val2017")),
        ("train/_annotations.coco.json", "valid/_annotations.coco.json", ("train", "valid")),
    ],
)
def test_several_files_give_the_splits(tmp_path: Path, train: str, val: str, images: tuple[str, str]) -> None:
    for folder in images:
        picture(tmp_path / folder / "1.png")
    coco(tmp_path / train, ["1.png"], 0)
    coco(tmp_path / val, ["1.png"], 0)
    if train.startswith("annotations"):
        coco(tmp_path / "annotations" / "captions_train.json", ["1.png"])  # no outlines: not read
    dataset = open_dataset(tmp_path)
    assert {case.id: case.split for case in dataset.cases} == {"train_1": "train", "validation_1": "validation"}
    assert [case.images[0].parent for case in dataset.cases] == [tmp_path / folder for folder in images]


def test_an_image_in_two_splits_is_a_problem_and_one_name_in_two_folders_is_none(tmp_path: Path) -> None:
    for folder in ("images", "north", "south"):
        picture(tmp_path / folder / "1.png")
    for split in ("train", "val"):
        coco(tmp_path / "annotations" / f"instances_{split}.json", ["1.png"], 0)
    assert "is the image of two cases, 'train_1' and 'validation_1'" in str(survey_dataset(tmp_path).problems[0])
    shutil.rmtree(tmp_path / "annotations")
    for place in ("north", "south"):
        coco(tmp_path / place / "_annotations.coco.json", ["1.png"], 0)
    assert [case.id for case in open_dataset(tmp_path).cases] == ["north_1", "south_1"]


def test_a_list_of_images_without_annotations_is_unlabelled(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "a.png")
    path = coco(tmp_path / "annotations" / "image_info_test.json", ["a.png"])
    path.write_text(json.dumps({"images": json.loads(path.read_text())["images"]}))
    (case,) = open_dataset(tmp_path).cases
    assert (case.labelled, case.split) == (False, "test")


def test_patients_come_from_the_images_or_a_case_table(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "b.png")
    images = [{"id": 1, "file_name": "a.png", "patient_id": 7}, {"id": 2, "file_name": "b.png", "patient_id": 7}]
    coco(tmp_path / "coco.json", [], images=images)
    dataset = open_dataset(tmp_path)
    assert dataset.patients == ("7",)
    assert dataset.warnings == ()
    (tmp_path / "cases.csv").write_text("id,who\na,x\nb,y\n")
    assert open_dataset(tmp_path, table=CaseTable(patient="who")).patients == ("x", "y")


def test_each_flaw_is_a_problem_with_the_entry_named_and_the_rest_is_read(tmp_path: Path) -> None:
    picture(tmp_path / "images" / "good.png")
    picture(tmp_path / "images" / "boxed.png")
    picture(tmp_path / "images" / "twin.png")
    images = [
        {"id": 1, "file_name": "good.png"},
        {"id": 2, "file_name": "lost.png"},
        {"id": 3, "file_name": "../../outside.png"},
        {"id": 4, "file_name": "/etc/passwd"},
        {"id": 5, "file_name": "boxed.png"},
        {"id": 6, "file_name": "twin.png"},
        {"id": 6, "file_name": "twin.png"},
    ]
    annotations = [
        {"id": 1, "image_id": 1, "category_id": 3, "segmentation": SQUARE},
        {"id": 2, "image_id": 5, "category_id": 3, "bbox": [1, 1, 2, 2]},
        {"id": 3, "image_id": 99, "category_id": 3, "segmentation": SQUARE},
    ]
    path = coco(tmp_path / "coco.json", [], images=images, annotations=annotations)
    dataset = survey_dataset(tmp_path)
    assert [case.id for case in dataset.cases] == ["good"]
    texts = sorted(str(problem).removeprefix(f"{path}, ") for problem in dataset.problems)
    expected = [
        "annotation 3: belongs to no image (image_id 99)",
        "image 2 (lost.png): its file is missing",
        "image 3 (../../outside.png): leaves the data set's folder",
        "image 4 (/etc/passwd): leaves the data set's folder",
        "image 5 (boxed.png): has objects with a box and no outline",
        "image 6 (twin.png): its file_name is listed twice",
        "image 6 (twin.png): its file_name is listed twice",
        "image 6: has its id twice",
    ]
    assert [text[: len(start)] for text, start in zip(texts, expected, strict=True)] == expected
    with pytest.raises(DatasetError, match="and 7 more problems"):
        open_dataset(tmp_path)


def test_broken_files_are_refused_and_others_not_taken_for_coco(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text('{"images": [')
    with pytest.raises(DatasetError, match="cannot be read"):
        open_dataset(tmp_path)
    (tmp_path / "coco.json").write_text('{"training": [], "name": "images"}')
    assert "coco" not in recognised(tmp_path)
    with pytest.raises(DatasetError, match="holds no COCO JSON"):
        open_dataset(tmp_path, layout="coco")
