"""XML of INbreast: what OsiriX saved, as a property list."""

import plistlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medseg.errors import InputError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.io import read_label_map
from medseg.labels import Labels

GRID = Geometry.from_spacing((40, 30), (0.07, 0.07))
LABELS = Labels.of_structures(["Mass", "Calcification"])
SQUARE = ["(10.000000, 5.000000)", "(20.000000, 5.000000)", "(20.000000, 15.000000)", "(10.000000, 15.000000)"]


def roi(name: str, *points: str) -> dict[str, Any]:
    return {"Area": 0.5, "Name": name, "NumberOfPoints": len(points), "Point_px": list(points), "Type": 15}


def xml(path: Path, *rois: Any) -> Path:
    image = {"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": list(rois)}
    path.write_bytes(plistlib.dumps({"Images": [image]}))
    return path


def mask_of(path: Path) -> np.ndarray:
    return read_label_map(path, on=GRID, labels=LABELS).mask


def test_outlines_and_points_are_painted(tmp_path: Path) -> None:
    mask = mask_of(xml(tmp_path / "1.xml", roi("Mass", *SQUARE), roi("Calcification", "(30.700000, 4.200000)")))
    assert (mask == 1).sum() == 100
    assert (mask == 1)[10:20, 5:15].all()
    assert np.argwhere(mask == 2).tolist() == [[30, 4]]
    assert np.array_equal(read_label_map(f"{tmp_path / '1.xml'}:/0", on=GRID, labels=LABELS).mask, mask)


def test_a_calcification_smaller_than_a_pixel_is_not_lost(tmp_path: Path) -> None:
    tiny = roi("Calcification", "(30.1, 4.1)", "(30.3, 4.1)", "(30.2, 4.3)")
    assert np.argwhere(mask_of(xml(tmp_path / "1.xml", tiny)) == 2).tolist() == [[30, 4]]


def test_an_image_without_regions_is_empty(tmp_path: Path) -> None:
    assert not mask_of(xml(tmp_path / "1.xml")).any()


@pytest.mark.parametrize(
    ("bad", "found"),
    [
        (roi("Mass", "(1, 2)", "(3)"), "ROI 1: 'Mass' has points that are no pairs"),
        (roi("Mass", "(1, nan)", "(3, 4)", "(5, 6)"), "ROI 1: its coordinates"),
        (roi("Mass", "(1, x)", "(3, 4)", "(5, 6)"), "ROI 1: its coordinates"),
        (roi("Mass"), "ROI 1: has no Name or no Point_px"),
        (roi("", "(1, 2)"), "ROI 1: has no Name or no Point_px"),
        ("Mass", "ROI 1: has no Name or no Point_px"),
        (roi("Mass", "(1, 100)", "(3, 100)", "(3, 120)"), "'Mass' lies outside the image"),
    ],
)
def test_a_bad_region_is_refused_by_its_number(tmp_path: Path, bad: Any, found: str) -> None:
    with pytest.raises(InputError, match=found):
        mask_of(xml(tmp_path / "1.xml", bad))


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + ']><plist version="1.0"><string>&i;</string></plist>'
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (BOMB, "is no property list"),
        ("<plist><dict><key>Images", "is no property list"),
        ("<plist><integer>x</integer></plist>", "is no property list"),
        ("<html/>", "has no list Images|is no property list"),
        ("", "is no property list"),
        ("<plist><dict><key>Images</key><string/></dict></plist>", "has no list Images"),
        (
            "<plist><dict><key>Images</key><array><dict><key>ROIs</key><true/></dict></array></dict></plist>",
            "list ROIs",
        ),
    ],
)
def test_broken_files_and_bombs_are_refused(tmp_path: Path, content: str, found: str) -> None:
    path = tmp_path / "1.xml"
    path.write_text(content)
    with pytest.raises(UnreadableFileError, match=found):
        mask_of(path)


def test_an_absurdly_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "1.xml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UnreadableFileError, match="is 1024 MiB large"):
        mask_of(path)
