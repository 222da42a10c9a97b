from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from medseg.case import Case
from medseg.errors import DatasetError
from medseg.io import read_case_image, read_case_label_map
from medseg.labels import Labels


def case_of(path: Path, spacing: tuple[float, ...] | None, **saving: object) -> Case:
    PIL.Image.fromarray(np.zeros((4, 6), np.uint8)).save(path, **saving)
    return Case("a", "p", (path,), spacing_mm=spacing)


def test_the_stated_spacing_stands_in_where_the_file_has_none(tmp_path: Path) -> None:
    for spacing, expected in (((0.2,), (0.2, 0.2)), ((0.2, 0.3), (0.2, 0.3))):
        image = read_case_image(case_of(tmp_path / "a.png", spacing))
        assert (image.geometry.spacing_mm, image.geometry.spacing_source) == (expected, "manifest")
        assert image.notes == ()
    assert not read_case_image(case_of(tmp_path / "a.png", None)).geometry.spacing_known
    with pytest.raises(DatasetError, match="3 numbers for an image of 2 axes"):
        read_case_image(case_of(tmp_path / "a.png", (1, 1, 1)))


def test_the_spacing_of_the_file_wins_and_a_contradiction_is_noted(tmp_path: Path) -> None:
    for spacing, contradicts in (((0.1,), False), ((0.1003,), False), ((0.2,), True), ((1, 1, 1), True)):
        image = read_case_image(case_of(tmp_path / "a.tif", spacing, dpi=(254, 254)))
        assert image.geometry.spacing_mm == pytest.approx((0.1, 0.1))
        assert any("states a spacing" in note for note in image.notes) == contradicts


def test_the_mask_of_a_case_says_what_was_done_to_read_it(tmp_path: Path) -> None:
    image = read_case_image(case_of(tmp_path / "a.png", None))
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[1:3, 2:5] = (0, 255, 0)
    pixels[0, 0] = (0, 1, 0)
    PIL.Image.fromarray(pixels).save(tmp_path / "m.png")
    case = Case("a", "p", (tmp_path / "a.png",), (tmp_path / "m.png",))
    found = read_case_label_map(case, image, Labels.from_config({"lesion": "#00ff00"}))
    assert int(found.mask.sum()) == 6
    assert "1 voxels (4.17%) got the nearest declared label" in found.notes[0]
