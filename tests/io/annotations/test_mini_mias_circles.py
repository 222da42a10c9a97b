"""Circles of mini-MIAS: `Info.txt`, its copy as CSV, and the masks that were made from it elsewhere."""

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.errors import GridMismatchError, InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io import read_label_map
from medseg.io.annotations.mini_mias import SEVERITIES, findings
from medseg.labels import Labels

GRID = Geometry.from_spacing((1024, 1024), (0.2, 0.2))
LABELS = Labels.of_structures(SEVERITIES.values())
INFO = """              MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY
1st column: MIAS database reference number.
=================================================================

mdb001 G CIRC B 535 425 197
mdb003 D NORM\x20
mdb005 F CIRC B 477 133 30
mdb005 F CIRC M 500 268 26
mdb059 F CIRC B
mdb216 D CALC M *NOTE 3*\x20

=================================================================
"""
CSV = """Name,Background Tissue,Abnormality,Type,x,y,r
mdb001,G,CIRC,B,535.0,425.0,197.0
mdb003,D,NORM,,,,
mdb005,F,CIRC,B,477.0,133.0,30.0
mdb005,F,CIRC,M,500.0,268.0,26.0
mdb216,D,CALC,M,,,
"""


@pytest.fixture(params=["Info.txt", "annotations.csv"])
def listed(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_text(INFO if path.suffix == ".txt" else CSV)
    return path


def mask_of(path: Path, film: str) -> np.ndarray:
    return read_label_map(f"{path}:/{film}", on=GRID, labels=LABELS).mask


def test_rows_are_counted_from_the_bottom(listed: Path) -> None:
    inside = np.argwhere(mask_of(listed, "mdb001") == 1)
    assert inside.mean(axis=0).tolist() == [535, 1023 - 425]
    assert np.ptp(inside, axis=0).tolist() == [2 * 197, 2 * 197]
    assert len(inside) == pytest.approx(np.pi * 197**2, rel=0.001)


def test_all_lesions_of_a_film_are_painted_by_their_severity(listed: Path) -> None:
    mask = mask_of(listed, "MDB005")
    assert mask[477, 1023 - 133] == 1
    assert mask[500, 1023 - 268] == 2


def test_a_normal_film_is_empty(listed: Path) -> None:
    assert not mask_of(listed, "mdb003").any()


def test_a_lesion_without_a_place_is_not_taken_for_none(listed: Path) -> None:
    with pytest.raises(InputError, match="mdb216: malignant CALC without a place"):
        mask_of(listed, "mdb216")


def test_unknown_films_and_other_sizes_are_refused(listed: Path) -> None:
    with pytest.raises(InputError, match="lists no film 'mdb002'"):
        mask_of(listed, "mdb002")
    with pytest.raises(GridMismatchError, match="was drawn on 1024 × 1024 pixels, the image has 512 × 512"):
        read_label_map(f"{listed}:/mdb001", on=Geometry.from_spacing((512, 512), None))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("mdb001 G", "line 1: reads 'mdb001 G', expected film, tissue, class"),
        ("mdb001 G ODD B 1 2 3", "line 1: reads"),
        ("mdb001 G CIRC X 1 2 3", "expected B or M after the class"),
        ("mdb001 G CIRC B 1 2", "line 1: the circle '1 2', expected x, y and radius"),
        ("mdb001 G CIRC B 1 2 three", "line 1: the circle"),
        ("nothing", "lists no film"),
        ("", "lists no film"),
    ],
)
def test_broken_tables_are_refused_by_line(tmp_path: Path, line: str, found: str) -> None:
    path = tmp_path / "Info.txt"
    path.write_text(line)
    with pytest.raises(UnreadableFileError, match=found):
        findings(path)


@pytest.mark.parametrize("circle", ["1 2 nan", "1 2 0", "1 2 -3", "inf 2 3", "1 2 1e12"])
def test_circles_that_are_none_are_refused(tmp_path: Path, circle: str) -> None:
    path = tmp_path / "Info.txt"
    path.write_text(f"mdb001 G CIRC B {circle}")
    with pytest.raises(InputError, match=r"mdb001: (a circle|its coordinates)"):
        mask_of(path, "mdb001")


@pytest.mark.parametrize("table", ["Info.txt", "annotations.csv"])
def test_circles_equal_the_masks_that_were_made_elsewhere(test_data: Path, table: str) -> None:
    masks = sorted((test_data / "mini_mias" / "circle_masks").glob("*.png"))
    assert len(masks) == 8
    for path in masks:
        with PIL.Image.open(path) as picture:
            expected = np.array(picture).T > 0
        np.testing.assert_array_equal(mask_of(test_data / "mini_mias" / table, path.stem) > 0, expected)
