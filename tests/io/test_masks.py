from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import GridMismatchError, LabelError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import mask_on_grid, read_image, read_mask, write_image

TURNS = [Reorientation(p, f) for p in permutations(range(3)) for f in product((False, True), repeat=3)]
OBLIQUE = np.array([[0.9, -0.2, 0.1, -7], [0.25, 1.1, 0.05, 13], [-0.1, 0.02, 3.0, 41], [0, 0, 0, 1]])
GRID = Geometry((4, 5, 6), OBLIQUE)
MASK = np.arange(120, dtype=np.uint8).reshape(4, 5, 6)


@pytest.mark.parametrize("turn", TURNS, ids=str)
def test_every_axis_order_comes_back_exactly_through_a_file(tmp_path: Path, turn: Reorientation) -> None:
    stored = GRID.reoriented(turn)
    path = tmp_path / "turned.nii.gz"
    write_image(path, Image(turn.apply(MASK)[np.newaxis], stored))
    mask, geometry = read_mask(path)
    np.testing.assert_array_equal(mask, turn.apply(MASK))
    np.testing.assert_array_equal(mask_on_grid(mask, geometry, GRID, path), MASK)


@given(st.sampled_from(TURNS), st.sampled_from(TURNS))
def test_a_mask_stored_in_another_order_than_its_image_is_brought_onto_it(
    one: Reorientation, two: Reorientation
) -> None:
    moved = mask_on_grid(one.apply(MASK), GRID.reoriented(one), GRID.reoriented(two), "mask")
    np.testing.assert_array_equal(moved, two.apply(MASK))


@pytest.mark.parametrize(
    ("target", "found"),
    [
        (GRID.cropped((1, 0, 0), (3, 5, 6)), "of another size"),
        (GRID.cropped((0, 0, 1), (4, 5, 6)), r"shifted by 3\.00"),
        (GRID.resized((4, 5, 3)).cropped((0, 0, 0), (4, 5, 6)), "another spacing or direction"),
        (Geometry.from_spacing((4, 5), None), "has 3 axes"),
    ],
)
def test_other_grids_are_refused_with_what_differs(target: Geometry, found: str) -> None:
    with pytest.raises(GridMismatchError, match=f"case 7: the mask .*{found}"):
        mask_on_grid(MASK, GRID, target, "case 7")


def test_a_difference_below_a_ten_thousandth_of_a_millimetre_is_none() -> None:
    moved = OBLIQUE.copy()
    moved[0, 3] += 5e-5
    assert mask_on_grid(MASK, GRID, Geometry(GRID.shape, moved), "mask") is MASK


def test_without_spacing_equal_shapes_are_one_grid() -> None:
    flat = np.zeros((3, 4), np.uint8)
    known = Geometry.from_spacing((3, 4), [0.1, 0.1], "PixelSpacing")
    assert mask_on_grid(flat, Geometry.from_spacing((3, 4), None), known, "mask") is flat
    with pytest.raises(GridMismatchError, match="of another size"):
        mask_on_grid(flat.T, Geometry.from_spacing((4, 3), None), known, "mask")


def test_nearly_whole_floats_are_rounded_and_fractions_refused(tmp_path: Path) -> None:
    for name, value in (("whole.nii", 1.9999), ("half.nii", 0.5), ("nan.nii", np.nan)):
        write_image(tmp_path / name, Image(np.full((1, 2, 2, 2), value, np.float32), Geometry((2, 2, 2), np.eye(4))))
    mask, _geometry = read_mask(tmp_path / "whole.nii")
    assert mask.dtype == np.uint8
    assert (mask == 2).all()
    for name in ("half.nii", "nan.nii"):
        with pytest.raises(LabelError, match=name):
            read_mask(tmp_path / name)


def test_channels_must_share_a_grid_and_may_be_stored_in_another_order(tmp_path: Path) -> None:
    turn = TURNS[13]
    write_image(tmp_path / "a.nii", Image(MASK[np.newaxis], GRID))
    write_image(tmp_path / "b.nii", Image(turn.apply(MASK)[np.newaxis].astype(np.int16), GRID.reoriented(turn)))
    write_image(tmp_path / "c.nii", Image(MASK[np.newaxis], GRID.cropped((0, 0, 1), (4, 5, 6))))
    both = read_image([tmp_path / "a.nii", tmp_path / "b.nii"])
    assert (both.channels, both.voxels.dtype) == (2, np.int16)
    np.testing.assert_array_equal(both.voxels[1], MASK)
    with pytest.raises(GridMismatchError, match=r"a\.nii: .*shifted by 3.*c\.nii"):
        read_image([tmp_path / "a.nii", tmp_path / "c.nii"])


def test_real_labels_of_awkward_files_are_read(test_data: Path) -> None:
    mask, _geometry = read_mask(test_data / "awkward" / "derived_nifti" / "float_label_0.9999.nii.gz")
    assert np.unique(mask).tolist() == [0, 1, 2]
