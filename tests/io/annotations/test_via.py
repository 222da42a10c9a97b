"""CSV of the VGG Image Annotator, with the header and quoting of CDD-CESM."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io import read_label_map
from medseg.io.annotations import via
from medseg.labels import Labels

GRID = Geometry.from_spacing((40, 30), None)
LINE = "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
HEADER = LINE.split(",")
SQUARE = {"name": "polygon", "all_points_x": [10, 20, 20, 10], "all_points_y": [5, 5, 15, 15]}
NAME = "P1_L_DM_MLO.jpg"


def table(path: Path, *regions: tuple[str, dict[str, Any], dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number, (name, shape, attributes) in enumerate(regions):
            writer.writerow([name, 1234, "{}", len(regions), number, json.dumps(shape), json.dumps(attributes)])
    return path


def mask_of(path: Path, inside: str = NAME) -> np.ndarray:
    return read_label_map(f"{path}:/{inside}", on=GRID).mask


@pytest.mark.parametrize("kind", ["polygon", "polyline"])
def test_outlines_are_filled(tmp_path: Path, kind: str) -> None:
    mask = mask_of(table(tmp_path / "via.csv", (NAME, SQUARE | {"name": kind}, {})))
    assert mask.sum() == 100
    assert mask[10:20, 5:15].all()


def test_round_and_square_regions_have_their_areas(tmp_path: Path) -> None:
    shapes = [
        ({"name": "circle", "cx": 20, "cy": 15, "r": 10}, np.pi * 100),
        ({"name": "ellipse", "cx": 20, "cy": 15, "rx": 12, "ry": 6}, np.pi * 72),
        ({"name": "ellipse", "cx": 20, "cy": 15, "rx": 12, "ry": 6, "theta": np.pi / 2}, np.pi * 72),
        ({"name": "rect", "x": 3, "y": 4, "width": 10, "height": 5}, 50),
    ]
    for number, (shape, area) in enumerate(shapes):
        assert mask_of(table(tmp_path / f"{number}.csv", (NAME, shape, {}))).sum() == pytest.approx(area, rel=0.03)
    standing = mask_of(tmp_path / "2.csv")
    assert np.ptp(np.argwhere(standing), axis=0).tolist() == [11, 23]  # higher than wide


def test_regions_are_called_by_their_attributes(tmp_path: Path) -> None:
    far = {"name": "rect", "x": 30, "y": 20, "width": 2, "height": 2}
    path = table(
        tmp_path / "via.csv",
        (NAME, SQUARE, {"kind": "mass", "note": "x"}),
        (NAME, far, {"kind": {"mass": False, "calcification": True}}),
    )
    labels = Labels.of_structures(["mass", "calcification"])
    mask = read_label_map(f"{path}:/{NAME}", on=GRID, labels=labels).mask
    assert [(mask == value).sum() for value in (1, 2)] == [100, 4]


def test_names_are_found_without_ending_or_stray_spaces(tmp_path: Path) -> None:
    path = table(tmp_path / "via.csv", ("P1_L_DM_MLO .jpg", SQUARE, {}))
    assert mask_of(path, "P1_L_DM_MLO.jpg").sum() == mask_of(path, "P1_L_DM_MLO").sum() == 100


def test_a_row_without_region_is_an_image_without_lesion_and_an_absent_one_unknown(tmp_path: Path) -> None:
    path = table(tmp_path / "via.csv", (NAME, {}, {}))
    assert not mask_of(path).any()
    with pytest.raises(InputError, match=r"has no row for an image 'P2_L_DM_CC\.jpg'"):
        mask_of(path, "P2_L_DM_CC.jpg")


def test_a_point_is_left_out_and_named(tmp_path: Path) -> None:
    path = table(tmp_path / "via.csv", (NAME, SQUARE, {}), (NAME, {"name": "point", "cx": 3, "cy": 4}, {}))
    found = read_label_map(f"{path}:/{NAME}", on=GRID)
    assert found.mask.sum() == 100
    assert found.notes == ("line 3: a point has no area and is left out",)


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ({"name": "spiral"}, "line 2: a region of the kind 'spiral', expected polygon, polyline"),
        ({"name": ["circle"]}, "a region of the kind"),
        ({"name": "circle", "cx": 3}, r"a circle without its numbers \('cy'\)"),
        ({"name": "circle", "cx": "a", "cy": 3, "r": 2}, "no list of finite numbers"),
        ({"name": "rect", "x": "a", "y": 3, "width": 2, "height": 2}, "a rect without its numbers"),
        ({"name": "rect", "x": 10**400, "y": 3.0, "width": 2.0, "height": 2}, "a rect without its numbers"),
        ({"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2]}, "an outline of 2 points"),
        ({"name": "polygon", "all_points_x": [1, 2, 3], "all_points_y": [1, 2]}, "no list of finite numbers"),
        ({"name": "ellipse", "cx": 9, "cy": 3, "rx": 2, "ry": -1}, "of radius -1"),
    ],
)
def test_a_bad_region_is_refused_by_its_line(tmp_path: Path, shape: dict[str, Any], found: str) -> None:
    with pytest.raises(InputError, match=found):
        mask_of(table(tmp_path / "via.csv", (NAME, shape, {})))


def test_broken_tables_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "via.csv"
    for content, found in (
        (LINE + f"\n{NAME},1,x,1,0,{{oops,x\n", "no JSON"),
        (LINE + f"\n{NAME},1\n", "line 2: has 2 fields, expected 7"),
        (LINE + f'\n{NAME},1,x,1,0,"[1]",x\n', "expected an object"),
        ("a,b\n1,2\n", "has the columns a, b, expected a table of VIA or mini-MIAS"),
        ("", "has the columns"),
    ):
        path.write_text(content)
        with pytest.raises(UnreadableFileError, match=found):
            mask_of(path)
    with pytest.raises(UnreadableFileError, match="has the columns"):
        via.regions(path)
