from itertools import permutations, product
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg.errors import GridMismatchError, InputError, LabelError
from medseg.geometry import Geometry, Reorientation
from medseg.image import Image
from medseg.io import mask_on_grid, read_image, read_label_map, read_mask, write_image
from medseg.labels import Labels
from medseg.options import ReadOptions

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


CUBE = Geometry((2, 2, 2), np.eye(4))


def volume(path: Path, values: object, dtype: type = np.float32) -> Path:
    write_image(path, Image(np.resize(np.array(values, dtype), (1, 2, 2, 2)), CUBE))
    return path


@pytest.mark.parametrize("value", [1.9999, 1.99998, 2.0, 2.0005])
def test_nearly_whole_floats_are_rounded_and_it_is_said(tmp_path: Path, value: float) -> None:
    found = read_label_map(volume(tmp_path / "whole.nii", value))
    assert found.mask.dtype == np.uint8
    assert (found.mask == 2).all()
    assert [note.startswith("values up to") for note in found.notes] == [True] * (value != 2)


@pytest.mark.parametrize("value", [0.5, 1.01, np.nan, np.inf, -np.inf, 1e20])
def test_what_is_no_label_is_refused(tmp_path: Path, value: float) -> None:
    with pytest.raises(LabelError, match=r"a\.nii: holds values that are not whole numbers"):
        read_mask(volume(tmp_path / "a.nii", [0, 1, value]))


@pytest.mark.parametrize(
    ("values", "dtype"), [([-1, 0, 1], np.int16), ([0, 2**31 - 1], np.int32), ([-1.0, 0.0, 7.0], np.float32)]
)
def test_negative_and_large_whole_numbers_are_labels(tmp_path: Path, values: list, dtype: type) -> None:
    mask, _geometry = read_mask(volume(tmp_path / "a.nii", values, dtype))
    assert set(np.unique(mask).tolist()) == set(values)


def test_a_resized_mask_is_read_by_the_nearest_value_when_asked(tmp_path: Path) -> None:
    labels = Labels.from_config({"a": 1, "b": 4})
    path = volume(tmp_path / "a.nii", [0, 1, 0.4, 0.6, 4, 3.3, 3.9, 2.1])
    with pytest.raises(LabelError, match="nearest_label: true"):
        read_mask(path, labels=labels)
    found = read_label_map(path, labels=labels, options=ReadOptions(nearest_label=True))
    assert found.mask.ravel().tolist() == [0, 1, 0, 1, 4, 4, 4, 1]
    assert found.notes == ("5 voxels (62.50%) got the nearest declared label, 4 from between two",)
    for values in ([0, 1, np.nan], [0, 1, 90, 90, 90, 90, 90, 90]):
        with pytest.raises(LabelError, match=r"a\.nii"):
            read_mask(volume(path, values), labels=labels, options=ReadOptions(nearest_label=True))


def test_masks_of_several_files_are_united_on_one_grid(tmp_path: Path) -> None:
    one = volume(tmp_path / "one.nii", [1, 1, 0, 0, 0, 0, 0, 0], np.uint8)
    two = volume(tmp_path / "two.nii", [0, 1, 2, 2, 0, 0, 0, 0], np.uint8)
    turn = TURNS[7]
    stored = CUBE.reoriented(turn)
    three = tmp_path / "three.nii"
    write_image(three, Image(turn.apply(read_mask(two)[0])[np.newaxis], stored))
    for second in (two, three):
        united, geometry = read_mask([one, second])
        assert united.ravel().tolist() == [1, 1, 2, 2, 0, 0, 0, 0]
        assert geometry.same_as(CUBE)


def test_masks_that_disagree_are_refused_with_the_count(tmp_path: Path) -> None:
    one = volume(tmp_path / "one.nii", [1, 1, 1, 0, 0, 0, 0, 0], np.uint8)
    two = volume(tmp_path / "two.nii", [2, 1, 2, 2, 0, 0, 0, 0], np.uint8)
    with pytest.raises(LabelError, match=r"two\.nii: labels 2 voxels that another mask of the case labels differently"):
        read_mask([one, two])
    with pytest.raises(InputError, match="no mask was given"):
        read_mask([])
    cut = tmp_path / "cut.nii"
    write_image(cut, Image(np.zeros((1, 2, 2, 1), np.uint8), CUBE.cropped((0, 0, 0), (2, 2, 1))))
    with pytest.raises(GridMismatchError, match=r"cut\.nii: the mask is of another size"):
        read_mask([one, cut])


def test_pictures_of_several_masks_are_united(tmp_path: Path) -> None:
    labels = Labels.from_config({"lesion": 255})
    drawn = np.zeros((8, 9), np.uint8)
    drawn[1:3, 1:3] = 255
    paths = [tmp_path / "a_mask.png", tmp_path / "a_mask_1.png"]
    PIL.Image.fromarray(drawn).save(paths[0])
    PIL.Image.fromarray(drawn[::-1, ::-1]).save(paths[1])
    united, _geometry = read_mask(paths, labels=labels)
    np.testing.assert_array_equal(united.T, np.maximum(drawn, drawn[::-1, ::-1]))


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


def test_a_huge_value_is_no_label_near_a_declared_one(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[0.0, 1e300], [1, 0]]))
    with pytest.raises(LabelError, match=r"m\.npy: holds values that are not finite, or beyond"):
        read_mask(tmp_path / "m.npy", labels=Labels.from_config({"a": 1}), options=ReadOptions(nearest_label=True))


def test_a_signalling_nan_is_refused_without_a_warning(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[0x7F800001, 0]], np.uint32).view(np.float32))
    with pytest.raises(LabelError, match=r"m\.npy: holds values that are not whole numbers"):
        read_mask(tmp_path / "m.npy")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_values_between_labels_are_snapped_alike_whatever_their_type(tmp_path: Path, dtype: type) -> None:
    mask = np.zeros((12, 12), dtype)
    mask[:, 6:], mask[:, 5] = 100, 60
    np.save(tmp_path / "m.npy", mask)
    labels = Labels.from_config({"a": 100})
    found = read_mask(tmp_path / "m.npy", labels=labels, options=ReadOptions(nearest_label=True))[0]
    np.testing.assert_array_equal(found.T, np.where(mask > 50, 100, 0))


def test_a_negative_value_is_no_label_either(tmp_path: Path) -> None:
    np.save(tmp_path / "m.npy", np.array([[0, -300] * 10] * 20, np.int16))
    with pytest.raises(LabelError, match=r"m\.npy: 200 voxels hold what nobody declared"):
        read_mask(tmp_path / "m.npy", labels=Labels.from_config({"a": 100}), options=ReadOptions(nearest_label=True))
