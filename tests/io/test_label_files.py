"""A mask for each of several labels that may overlap."""

from pathlib import Path

import numpy as np
import pytest

from medseg.errors import GridMismatchError, UnreadableFileError
from medseg.geometry import Geometry
from medseg.image import Segmentation
from medseg.io.label_files import label_file_stems, read_label_files, write_label_files
from medseg.labels import Labels
from medseg.regions import segmentation_regions

NAMES = ("whole tumour", "Core/1", "core:1")
LABELS = Labels.from_config({**dict.fromkeys(NAMES, 1), "overlapping": True})


def segmentation(shape: tuple[int, ...] = (5, 6, 7)) -> Segmentation:
    geometry = Geometry.from_spacing(shape, None) if len(shape) == 2 else Geometry(shape, np.diag([-1.0, 2, 3, 1]))
    mask = (np.random.default_rng(0).random((3, *shape)) < 0.4).astype(np.uint8)
    return Segmentation(mask, geometry, LABELS)


def test_names_of_files_are_safe_and_told_apart() -> None:
    stems = label_file_stems(NAMES)
    assert stems[0] == "mask_whole_tumour"
    assert stems[1].startswith("mask_Core_1-")
    assert stems[2].startswith("mask_core_1-")
    assert len({stem.casefold() for stem in stems}) == 3
    assert label_file_stems(NAMES[::-1]) == stems[::-1]


@pytest.mark.parametrize(("shape", "ending"), [((5, 6, 7), ".nii.gz"), ((9, 8), ".png")])
def test_what_is_written_comes_back(tmp_path: Path, shape: tuple[int, ...], ending: str) -> None:
    one = segmentation(shape)
    written = write_label_files(tmp_path, one, ending)
    assert [path.name for path in written] == [stem + ending for stem in label_file_stems(NAMES)]
    before = [path.read_bytes() for path in written]
    found = read_label_files(tmp_path, LABELS)
    np.testing.assert_array_equal(found.mask, one.mask)
    assert found.geometry.shape == one.geometry.shape
    write_label_files(tmp_path, one, ending)
    assert [path.read_bytes() for path in written] == before


def test_a_label_without_a_file_or_on_another_grid_is_named(tmp_path: Path) -> None:
    first, second, _third = write_label_files(tmp_path, segmentation(), ".nii.gz")
    other = tmp_path / "other"
    second.write_bytes(write_label_files(other, segmentation((5, 6, 8)), ".nii.gz")[1].read_bytes())
    with pytest.raises(GridMismatchError, match=r"mask_Core_1-\w+\.nii\.gz"):
        read_label_files(tmp_path, LABELS)
    first.unlink()
    with pytest.raises(UnreadableFileError, match=r"no file of the label 'whole tumour'"):
        read_label_files(tmp_path, LABELS)


def test_regions_of_overlapping_labels_are_found_one_label_after_the_other() -> None:
    one = segmentation((9, 8))
    regions = segmentation_regions(one)
    voxels = [sum(region.voxels for region in regions if region.label == name) for name in NAMES]
    assert voxels == one.mask.sum((1, 2)).tolist()


def test_the_smaller_of_overlapping_labels_is_drawn_on_the_larger() -> None:
    geometry = Geometry.from_spacing((6, 6), None)
    mask = np.zeros((2, 6, 6), np.uint8)
    mask[0, 2:4, 2:4] = 1
    mask[1, 1:5, 1:5] = 1
    named = Labels.from_config({"core": 1, "whole": 1, "overlapping": True})
    drawn = Segmentation(mask, geometry, named).drawable()
    assert drawn[2, 2] == 1
    assert drawn[1, 1] == 2
