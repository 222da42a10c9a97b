"""COCO: polygons, and run lengths that were worked out by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg.errors import GridMismatchError, InputError, LabelError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io import read_label_map
from medseg.io.annotations import coco
from medseg.io.annotations.run_lengths import counts_of, marked
from medseg.labels import Labels

GRID = Geometry.from_spacing((4, 3), None)  # 4 columns, 3 rows
SQUARE = [[1, 0, 3, 0, 3, 2, 1, 2]]
LABELS = Labels.of_structures(["mass", "calcification"])


def file(path: Path, *annotations: dict[str, Any], **changes: Any) -> Path:
    content = {
        "images": [{"id": 7, "file_name": "a.png", "width": 4, "height": 3}, {"id": 8, "file_name": "below/b.png"}],
        "categories": [{"id": 1, "name": "mass"}, {"id": 2, "name": "calcification"}],
        "annotations": [{"id": i, "image_id": 7, "category_id": 1, **own} for i, own in enumerate(annotations)],
    } | changes
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def mask_of(path: Path, inside: str = "a.png") -> list[list[int]]:
    """Rows, as one sees them."""
    return read_label_map(f"{path}:/{inside}", on=GRID, labels=LABELS).mask.T.tolist()


def test_the_rings_of_a_polygon_are_united(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": [*SQUARE, [2, 1, 4, 1, 4, 3, 2, 3]]})
    assert mask_of(path) == [[0, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1]]
    assert mask_of(path, "7") == mask_of(path, "a.png")


def test_run_lengths_go_down_the_columns(tmp_path: Path) -> None:
    segmentation = {"counts": [4, 3, 5], "size": [3, 4]}
    path = file(tmp_path / "a.json", {"segmentation": segmentation, "iscrowd": 1})
    assert mask_of(path) == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]]


# By hand: 5 bits a character above "0", lowest first, 32 for more to come; from the fourth on, less the one two before.
@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("435", [4, 3, 5]),
        ("4351", [4, 3, 5, 4]),  # 4 = 3 + 1
        ("435O", [4, 3, 5, 2]),  # 2 = 3 - 1: -1 is 31, "O"
        ("P1", [32]),  # 0 and more to come, then 1
        ("`0", [16]),  # a lone 16 would be -16
        ("TS3", [3172]),  # 4 + 32 × 3 + 1024 × 3
        ("", []),
    ],
)
def test_compressed_run_lengths(text: str, counts: list[int]) -> None:
    assert counts_of(text, "case") == counts


def test_compressed_run_lengths_are_painted(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": {"counts": "435", "size": [3, 4]}})
    assert mask_of(path) == [[0, 0, 1, 0], [0, 1, 0, 0], [0, 1, 0, 0]]


def test_random_masks_come_back_from_their_run_lengths() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        mask = rng.random((5, 7)) < 0.5
        changes = np.flatnonzero(np.diff(np.concatenate([[False], mask.ravel(), [not mask.ravel()[-1]]])))
        runs = np.diff(np.concatenate([[0], changes])).tolist()
        np.testing.assert_array_equal(marked(runs, (5, 7), "case"), mask)


def test_an_image_without_objects_is_empty(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": SQUARE})
    assert not np.any(mask_of(path, "b.png"))


def test_other_categories_are_left_out_and_named(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": SQUARE}, {"segmentation": SQUARE, "category_id": 2})
    found = read_label_map(f"{path}:/a.png", on=GRID, labels=Labels.of_structures(["mass"]))
    assert found.mask.sum() == 4
    assert found.notes == ("left out, as no label names them: 1 × 'calcification'",)


def test_categories_that_overlap_are_refused_unless_labels_may(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": SQUARE}, {"segmentation": SQUARE, "category_id": 2})
    with pytest.raises(LabelError, match=r"4 voxels belong to several labels \(mass, calcification\)"):
        mask_of(path)
    both = Labels.of_structures(["mass", "calcification"], exclusive=False)
    assert read_label_map(f"{path}:/a.png", on=GRID, labels=both).mask.sum(axis=(1, 2)).tolist() == [4, 4]


def test_what_reaches_beyond_the_image_is_noted_and_what_lies_outside_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": [[2, 0, 9, 0, 9, 9, 2, 9]]})
    found = read_label_map(f"{path}:/a.png", on=GRID, labels=LABELS)
    assert found.mask.sum() == 6
    assert found.notes == ("1 shapes reach beyond the image and are cut at its edge",)
    with pytest.raises(InputError, match=r"'mass' lies outside the image \(50 to 60"):
        mask_of(file(tmp_path / "b.json", {"segmentation": [[50, 0, 60, 0, 60, 9]]}))


@pytest.mark.parametrize(
    ("annotation", "found"),
    [
        ({"bbox": [0, 0, 2, 2]}, "annotation 0: 'mass' has a box and no outline"),
        ({"segmentation": []}, "annotation 0: is empty"),
        ({"segmentation": SQUARE, "category_id": 9}, "annotation 0: its category 9 is not declared"),
        ({"segmentation": [[1, 1, 2, 2]]}, "2 points, expected at least 3"),
        ({"segmentation": [[1, 1, 2, 2, 3]]}, "no list of pairs"),
        ({"segmentation": [[1, 1, 2, 2, 3, float("nan")]]}, "no list of finite numbers"),
        ({"segmentation": {"counts": [4, 3, 6], "size": [3, 4]}}, "do not make up 4 × 3 pixels"),
        ({"segmentation": {"counts": [10**15], "size": [3, 4]}}, "do not make up"),
        ({"segmentation": {"counts": [4, -3, 11], "size": [3, 4]}}, "do not make up"),
        ({"segmentation": {"counts": [4.0, 8.0], "size": [3, 4]}}, "do not make up"),
        ({"segmentation": {"counts": "43P", "size": [3, 4]}}, "run lengths are cut off"),
        ({"segmentation": {"counts": "4é5", "size": [3, 4]}}, "'é' where they cannot"),
        ({"segmentation": {"counts": "o" * 99, "size": [3, 4]}}, "'o' where they cannot"),
        ({"segmentation": {"counts": [12]}}, "run lengths of the size None"),
    ],
)
def test_a_bad_annotation_is_refused_by_its_id(tmp_path: Path, annotation: dict[str, Any], found: str) -> None:
    path = file(tmp_path / "a.json", annotation)
    with pytest.raises(InputError, match=found) as caught:
        mask_of(path)
    assert f"{path}:/a.png, annotation 0" in str(caught.value)


def test_an_image_of_another_size_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json", {"segmentation": SQUARE})
    with pytest.raises(GridMismatchError, match="was drawn on 4 × 3 pixels, the image has 4 × 4"):
        read_label_map(f"{path}:/a.png", on=Geometry.from_spacing((4, 4), None))
    run_lengths = {"image_id": 8, "segmentation": {"counts": [0, 25], "size": [5, 5]}}
    with pytest.raises(GridMismatchError, match="has run lengths of 5 × 5 pixels"):
        mask_of(file(tmp_path / "b.json", run_lengths), "8")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "has no list 'images'"),
        ('{"images": [{"id": 1}]}', r"images\[0\] has no file_name"),
        ('{"images": [], "annotations": [3]}', r"annotations\[0\] has no image_id"),
        ('{"images": [], "annotations": {}}', "has no list 'annotations'"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: str, found: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(UnreadableFileError, match=found):
        mask_of(path)


@pytest.mark.parametrize("inside", ["c.png", "9", "", "../a.png"])
def test_an_unknown_image_is_refused(tmp_path: Path, inside: str) -> None:
    with pytest.raises(InputError, match=f"says nothing of an image '{inside}'"):
        coco.drawing(file(tmp_path / "a.json"), inside)


def test_a_file_is_parsed_once_until_it_changes(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json")
    assert coco.coco(path) is coco.coco(path)
    before = coco.coco(path)
    file(path, {"segmentation": SQUARE})
    assert coco.coco(path) is not before


def test_a_drawing_needs_a_radiograph(tmp_path: Path) -> None:
    path = file(tmp_path / "a.json")
    with pytest.raises(InputError, match="on an image that is not known"):
        read_label_map(f"{path}:/a.png")
    with pytest.raises(InputError, match="draws on radiographs"):
        read_label_map(f"{path}:/a.png", on=Geometry.from_spacing((4, 3, 2), None))
