"""The region table: its columns, its figures, and that only physics decides them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import GridMismatchError, InputError, LabelError, UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.regions import empty_table, labels_of, measure_regions, region_columns

LESION = Labels.from_config({"lesion": 1})
PHYSICAL = [
    "voxels", "volume_mm3", "volume_ml", "longest_axial_mm", "perpendicular_mm", "longest_3d_mm",
    "centroid_x_mm", "centroid_y_mm", "centroid_z_mm", "mean_ch0", "sd_ch0", "median_ch0", "p10_ch0", "p90_ch0",
]  # fmt: skip


def ct(voxels: np.ndarray, spacing=(0.5, 0.5, 2.0)) -> Image:
    return Image(voxels[np.newaxis], Geometry.from_spacing(voxels.shape, spacing), modality="CT")


def test_a_block_has_the_figures_that_one_can_work_out_by_hand():
    voxels = np.arange(8 * 8 * 4, dtype=np.int16).reshape(8, 8, 4)
    mask = np.zeros(voxels.shape, np.uint8)
    mask[2:4, 3:6, 1:3] = 1
    table = measure_regions(ct(voxels), mask, LESION, case="a/1")
    row = table.iloc[0]
    inside = voxels[2:4, 3:6, 1:3]
    assert (row["case"], row["label"], row["region"], row["voxels"]) == ("a/1", "lesion", 1, 12)
    assert (row["volume_mm3"], row["volume_ml"]) == (6.0, 0.006)
    assert (row["centroid_i"], row["centroid_j"], row["centroid_k"]) == (2.5, 4.0, 1.5)
    assert (row["centroid_x_mm"], row["centroid_y_mm"], row["centroid_z_mm"]) == (1.25, 2.0, 3.0)
    assert [row[f"box_start_{axis}"] for axis in "ijk"] == [2, 3, 1]
    assert [row[f"box_size_{axis}"] for axis in "ijk"] == [2, 3, 2]
    assert not row["touches_border"]
    assert (row["mean_hu"], row["sd_hu"]) == (pytest.approx(inside.mean()), pytest.approx(inside.std()))
    assert (row["min_hu"], row["max_hu"], row["median_hu"]) == (inside.min(), inside.max(), np.median(inside))
    assert (row["p10_hu"], row["p90_hu"]) == tuple(np.percentile(inside, [10, 90]))
    assert np.isnan(row["area_mm2"])
    assert np.isnan(row["longest_axial_px"])


def test_an_empty_mask_gives_no_row_but_every_column_in_its_type():
    voxels = np.zeros((4, 4, 4), np.int16)
    table = measure_regions(ct(voxels), voxels.astype(np.uint8), LESION)
    full = measure_regions(ct(voxels), np.ones(voxels.shape, np.uint8), LESION)
    assert len(table) == 0
    assert list(table.columns) == [column.name for column in region_columns(["hu"])]
    assert list(table.dtypes) == list(full.dtypes)
    assert list(empty_table(["hu"]).dtypes) == list(full.dtypes)


def test_tables_of_two_and_three_dimensions_go_together():
    flat = Image(np.ones((1, 6, 5), np.uint16), Geometry.from_spacing((6, 5), (0.1, 0.1), "PixelSpacing"), "CT")
    tables = [
        measure_regions(flat, np.ones((6, 5), np.uint8), LESION, case="2d"),
        measure_regions(ct(np.ones((3, 3, 3))), np.ones((3, 3, 3), np.uint8), LESION, case="3d"),
    ]
    both = pd.concat(tables)
    assert list(both.dtypes) == list(tables[0].dtypes)
    assert both["area_mm2"].notna().tolist() == [True, False]
    assert both["volume_ml"].notna().tolist() == [False, True]
    assert both["box_start_k"].notna().tolist() == [False, True]
    assert both["centroid_x_mm"].notna().tolist() == [False, True]


def test_without_spacing_only_pixels_are_filled():
    image = Image(np.ones((1, 9, 9), np.uint8), Geometry.from_spacing((9, 9), None))
    mask = np.zeros((9, 9), np.uint8)
    mask[2:7, 4] = 1
    row = measure_regions(image, mask, LESION).iloc[0]
    assert (row["area_px"], row["longest_axial_px"], row["perpendicular_px"]) == (5, 5, 1)
    assert row[[name for name in row.index if name.endswith(("_mm", "_mm2", "_mm3", "_ml"))]].isna().all()


def test_every_channel_has_its_columns():
    image = Image(np.stack([np.zeros((4, 4, 4)), np.ones((4, 4, 4))]), Geometry.from_spacing((4, 4, 4), (1, 1, 1)))
    mask = np.ones((4, 4, 4), np.uint8)
    assert measure_regions(image, mask, LESION)["mean_ch1"].item() == 1
    named = measure_regions(image, mask, LESION, channel_names=("t1", "flair"))
    assert (named["mean_t1"].item(), named["mean_flair"].item()) == (0, 1)
    with pytest.raises(InputError, match=r"2 channel\(s\)"):
        measure_regions(image, mask, LESION, channel_names=("t1", "t1"))


def test_voxels_that_are_not_finite_stay_out_of_the_statistics():
    voxels = np.full((3, 3, 3), 5.0, np.float32)
    voxels[0, 0, 0], voxels[1, 1, 1] = np.nan, np.inf
    row = measure_regions(ct(voxels), np.ones(voxels.shape, np.uint8), LESION).iloc[0]
    assert (row["mean_hu"], row["max_hu"], row["voxels"]) == (5, 5, 27)
    hollow = measure_regions(ct(np.full((3, 3, 3), np.nan)), np.ones((3, 3, 3), np.uint8), LESION).iloc[0]
    assert np.isnan(hollow["mean_hu"])


def test_touching_the_border_is_told_but_a_single_slice_is_no_border():
    mask = np.zeros((5, 5, 1), np.uint8)
    mask[2, 2] = 1
    assert not measure_regions(ct(np.zeros((5, 5, 1))), mask, LESION)["touches_border"].item()
    mask[4, 2] = 1
    assert measure_regions(ct(np.zeros((5, 5, 1))), mask, LESION)["touches_border"].tolist() == [False, True]


def test_small_regions_are_left_out_by_voxels_or_by_volume():
    mask = np.zeros((9, 9, 9), np.uint8)
    mask[0, 0, :2] = mask[4, 4, :4] = 1
    image = ct(np.zeros(mask.shape), spacing=(1.0, 1.0, 1.0))
    assert measure_regions(image, mask, LESION, min_voxels=3)["voxels"].tolist() == [4]
    assert measure_regions(image, mask, LESION, min_volume_ml=0.004)["voxels"].tolist() == [4]
    assert measure_regions(image, mask, LESION, min_volume_ml=0.0041).empty
    unknown = Image(image.voxels, Geometry.from_spacing(mask.shape, None))
    with pytest.raises(UnknownSpacingError, match="Use min_voxels"):
        measure_regions(unknown, mask, LESION, min_volume_ml=1)


def test_a_mask_of_another_shape_or_value_is_refused():
    image = ct(np.zeros((4, 4, 4)))
    with pytest.raises(GridMismatchError, match="Bring it to the grid"):
        measure_regions(image, np.zeros((4, 4, 3), np.uint8), LESION)
    with pytest.raises(LabelError, match="study 3"):
        measure_regions(image, np.full((4, 4, 4), 2, np.uint8), LESION, case="study 3")


def test_labels_of_an_undeclared_mask_are_named_after_their_values():
    assert labels_of(np.array([[0, 255], [3, 0]])).to_config() == {
        "background": [0], "label 3": [3], "label 255": [255],
    }  # fmt: skip
    assert labels_of(np.zeros((2, 2), bool)).names == ("label 1",)
    assert labels_of(np.array([0.0, 2.0]), np.array([1])).names == ("label 1", "label 2")
    with pytest.raises(LabelError, match="not whole numbers"):
        labels_of(np.array([0.5]))
    with pytest.raises(LabelError, match="300 different values"):
        labels_of(np.arange(301))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000))
def test_flips_axis_orders_and_crops_change_no_physical_figure(seed):
    rng = np.random.default_rng(seed)
    mask = np.zeros((9, 8, 7), np.uint8)
    mask[2:7, 2:6, 2:5] = rng.random((5, 4, 3)) > 0.4
    voxels = rng.normal(size=mask.shape)
    turn, _r = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * (0.6, 0.9, 2.2), rng.normal(size=3) * 50
    geometry = Geometry(mask.shape, affine)
    expected = measure_regions(Image(voxels[np.newaxis], geometry), mask, LESION)

    start, order, flips = (1, 2, 0), rng.permutation(3), rng.integers(0, 2, 3).astype(bool)
    size = (7, 5, 6)
    box = tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))
    from medseg.geometry import Reorientation

    change = Reorientation(tuple(int(axis) for axis in order), tuple(bool(flip) for flip in flips))
    moved = geometry.cropped(start, size).reoriented(change)
    found = measure_regions(Image(change.apply(voxels[box])[np.newaxis], moved), change.apply(mask[box]), LESION)
    # regions of equal size may change places: compare them by where they lie
    key = ["voxels", "centroid_x_mm", "centroid_y_mm"]
    ordered = [table.round(6).sort_values(key)[PHYSICAL].to_numpy(float) for table in (expected, found)]
    np.testing.assert_allclose(*ordered, rtol=1e-6, atol=2e-6)


def test_a_shift_of_the_grid_moves_the_centroid_and_nothing_else():
    rng = np.random.default_rng(5)
    mask = (rng.random((8, 8, 8)) > 0.7).astype(np.uint8)
    voxels, affine = rng.normal(size=(1, 8, 8, 8)), np.diag([1.0, 2.0, 3.0, 1.0])
    here = measure_regions(Image(voxels, Geometry(mask.shape, affine)), mask, LESION)
    affine[:3, 3] = (10, -20, 30)
    there = measure_regions(Image(voxels, Geometry(mask.shape, affine)), mask, LESION)
    moved = [name for name in here if name.endswith(("_x_mm", "_y_mm", "_z_mm"))]
    assert len(moved) == 15
    pd.testing.assert_frame_equal(here.drop(columns=moved), there.drop(columns=moved))
    np.testing.assert_allclose(there[moved] - here[moved], np.tile((10, -20, 30), (len(here), 5)))


def test_every_column_says_what_it_means():
    columns = region_columns(["hu", "ch0"])
    assert len({column.name for column in columns}) == len(columns)
    assert all(column.meaning.endswith(".") for column in columns)
    for column in columns:
        unit = {"mm": "mm", "ml": "ml", "mm2": "mm²", "mm3": "mm³", "px": "px"}.get(column.name.rsplit("_", 1)[-1])
        assert unit is None or column.unit == unit or column.name == "area_px"
    units = {column.name: column.unit for column in columns}
    assert (units["mean_hu"], units["energy_hu"], units["kurtosis_hu"]) == ("HU", "HU²", "")
