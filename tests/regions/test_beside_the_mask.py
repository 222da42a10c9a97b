"""What is measured with the help of more than a mask: probabilities, organs, the body, channels on other grids."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import medseg
from medseg import Geometry, GridMismatchError, Image, Labels, Segmentation
from medseg.regions import case_columns, case_table, empty_table, measure_regions

LESION = Labels.from_config({"lesion": 1})
GRID = Geometry.from_spacing((20, 20, 10), (1, 1, 2))


def image(grid: Geometry = GRID, value: float = 0.0) -> Image:
    return Image(np.full((1, *grid.shape), value, np.float32), grid)


def test_the_volume_lies_between_what_is_sure_and_what_is_possible():
    chance = np.full(GRID.shape, 0.1, np.float16)
    chance[2:9, 2:9, 2:7] = 0.3
    chance[3:8, 3:8, 3:6] = 0.6
    chance[4:7, 4:7, 4:5] = 0.8
    chance[15:18, 15:18, 2:4] = 0.3  # a part of its own is of no region
    mask = (chance >= 0.5).astype(np.uint8)
    row = measure_regions(image(), mask, LESION, probabilities=chance[np.newaxis]).iloc[0]
    assert (row["voxels_low"], row["voxels"], row["voxels_high"]) == (9, 75, 245)
    assert row["volume_low_ml"] == pytest.approx(0.018)
    assert row["volume_high_ml"] == pytest.approx(0.49)
    assert row["mean_confidence"] == pytest.approx((9 * 0.8 + 66 * 0.6) / 75, rel=1e-3)
    as_bytes = np.rint(chance.astype(float) * 255).astype(np.uint8)[np.newaxis]
    again = measure_regions(image(), mask, LESION, probabilities=as_bytes).iloc[0]
    assert (again["voxels_low"], again["voxels_high"]) == (9, 245)


def test_a_region_does_not_grow_into_another_one():
    chance = np.full(GRID.shape, 0.3)
    mask = np.zeros(GRID.shape, np.uint8)
    mask[0:5], mask[8:20] = 1, 1
    chance[mask > 0] = 0.9
    table = measure_regions(image(), mask, LESION, families=("confidence",), probabilities=chance[np.newaxis])
    assert list(table["voxels"]) == [2400, 1000]
    assert list(table["voxels_high"]) == [3000, 1600]  # both may claim the gap
    given = {"families": ("confidence",), "probabilities": chance[np.newaxis], "merge_mm": 5.0}
    merged = measure_regions(image(), mask, LESION, **given)
    assert list(merged["voxels_high"]) == [4000]


def test_the_organ_is_the_one_that_has_most_of_the_region_or_surrounds_it():
    organs = np.zeros(GRID.shape, np.uint8)
    organs[:10], organs[10:16] = 1, 2
    mask = np.zeros(GRID.shape, np.uint8)
    mask[8:11, 2:4, 2:4] = 1
    mask[12:14, 12:14, 6:8] = 1
    organs[12:14, 12:14, 6:8] = 0  # as where a lesion is cut out of its organ
    mask[18:20, 18:20, 0:1] = 1
    known = Segmentation(organs, GRID, Labels.from_config({"liver": 1, "spleen": 2}))
    table = measure_regions(image(), mask, LESION, organs=known)
    assert list(table["organ"]) == ["liver", "spleen", ""]
    assert list(table["organ_share"]) == pytest.approx([2 / 3, 0, 0])
    totals = case_table(table.assign(case="a"), organs=["liver", "spleen"]).iloc[0]
    assert (totals["regions_in_liver"], totals["regions_in_spleen"]) == (1, 1)


@pytest.mark.parametrize("flip", [False, True])
def test_the_side_is_the_patients_whatever_the_order_of_storage(flip):
    """A body of 12 mm, not in the middle of its image; its left half (x below its middle) has the first lesion."""
    voxels = np.full((20, 20, 10), -1000, np.int16)
    voxels[5:17, 3:17] = 40
    mask = np.zeros(voxels.shape, np.uint8)
    mask[6:10, 8:10, 3:5], mask[12:14, 8:10, 3:5], mask[9:12, 14:15, 7:8] = 1, 1, 1
    affine = np.diag([1.0, 1, 2, 1])
    if flip:
        voxels, mask, affine[0] = voxels[::-1], mask[::-1], [-1, 0, 0, 19]
    body = Image(voxels[np.newaxis], Geometry(voxels.shape, affine), modality="CT", unit="HU")
    table = measure_regions(body, mask, LESION, families=("default", "side"))
    assert list(table["side"]) == ["left", "right", "both"]
    stated = replace(body, facts={"laterality": "R"})
    assert set(measure_regions(stated, mask, LESION, families=("side",))["side"]) == {"right"}
    totals = case_table(table).iloc[0]
    assert list(totals[["regions_left", "regions_right", "regions_both"]]) == [1, 1, 1]


def test_the_side_is_unknown_where_the_body_is_cut_or_the_image_flat():
    voxels = np.full((1, 20, 20, 10), 40, np.int16)
    mask = np.zeros(GRID.shape, np.uint8)
    mask[3:5, 3:5, 3:5] = 1
    cut = Image(voxels, GRID, modality="CT", unit="HU")
    assert list(measure_regions(cut, mask, LESION, families=("side",))["side"]) == [""]
    flat = Image(voxels[..., 0], Geometry.from_spacing((20, 20), (1, 1)))
    assert list(measure_regions(flat, mask[..., 3], LESION, families=("side",))["side"]) == [""]


def test_a_channel_on_a_coarser_grid_is_measured_with_its_own_voxels():
    """Every centre of a coarse voxel lies at a corner of fine ones: it is the region's where most of them are."""
    fine = Geometry.from_spacing((16, 16, 16), (1, 1, 1))
    coarse = fine.resized((8, 8, 8))
    rng = np.random.default_rng(2)
    uptake = rng.uniform(1, 9, (1, 8, 8, 8)).astype(np.float32)
    mask = np.zeros(fine.shape, np.uint8)
    mask[4:10, 2:8, 6:12] = 1
    mask[15, 15, 15] = 1  # one fine voxel has no coarse one
    pet = Image(uptake, coarse, modality="PT", unit="SUVbw")
    table = measure_regions(image(fine), mask, LESION, channel_names=["ct"], own_grids={"pet": pet})
    inside = uptake[0, 2:5, 1:4, 3:6]
    assert table["mean_pet"][0] == pytest.approx(inside.mean(), rel=1e-6)
    assert table["max_pet"][0] == table["suv_max"][0] == inside.max()
    assert table["mtv_suv2_5_ml"][0] == pytest.approx(np.count_nonzero(inside >= 2.5) * 0.008)
    assert np.isnan(table["mean_pet"][1])
    assert table["suv_note"][1] == "no finite voxel in the region"
    made_up = Image(np.zeros((2, *fine.shape), np.float32), fine)
    both = measure_regions(made_up, mask, LESION, channel_names=["ct", "pet"], own_grids={"pet": pet})
    assert list(both["mean_pet"].dropna()) == list(table["mean_pet"].dropna())


def table_of(lengths: list[float], organs: list[str] | None = None) -> pd.DataFrame:
    rows = [{"case": "a", "label": "lesion", "volume_ml": 2.0, "longest_axial_mm": length} for length in lengths]
    table = pd.DataFrame(rows, columns=empty_table().columns)
    return table if organs is None else table.assign(organ=organs)


def test_five_diameters_are_summed_and_at_most_two_an_organ():
    lengths = [60.0, 50, 40, 30, 20, 10]
    row = case_table(table_of(lengths)).iloc[0]
    assert (row["regions"], row["total_volume_ml"], row["largest_volume_ml"]) == (6, 12, 2)
    assert (row["recist_targets"], row["recist_sum_mm"]) == (5, 200)
    organs = ["liver", "liver", "liver", "lung", "", ""]
    row = case_table(table_of(lengths, organs)).iloc[0]
    assert (row["recist_targets"], row["recist_sum_mm"]) == (5, 60 + 50 + 30 + 20 + 10)
    assert (row["regions_in_liver"], row["regions_in_lung"]) == (3, 1)


def test_a_case_without_regions_has_a_row_of_zeros():
    table = case_table(table_of([12.0]), cases=["none", "a"], labels=["lesion", "node"])
    assert list(zip(table["case"], table["label"], table["regions"], strict=True)) == [
        ("none", "lesion", 0), ("none", "node", 0), ("a", "lesion", 1), ("a", "node", 0),
    ]  # fmt: skip
    assert list(table["total_volume_ml"]) == [0, 0, 2, 0]
    assert list(table["recist_sum_mm"]) == [0, 0, 12, 0]
    assert list(table.columns) == [column.name for column in case_columns()]
    assert len(case_table(empty_table())) == 0


def test_what_lies_on_another_grid_is_refused_although_it_has_the_shape():
    mask = np.zeros(GRID.shape, np.uint8)
    mask[3:5, 3:5, 3:5] = 1
    elsewhere = Geometry.from_spacing(GRID.shape, (2, 2, 2))
    liver = Labels.from_config({"liver": 1})
    assert len(medseg.measure(image(), Segmentation(mask, GRID, LESION), organs=Segmentation(mask, GRID, liver))) == 1
    with pytest.raises(GridMismatchError, match="mask: lies on another grid"):
        medseg.measure(image(), Segmentation(mask, elsewhere, LESION))
    for organs in (
        Segmentation(mask, elsewhere, liver),
        Segmentation(mask[:9], GRID.cropped((0,) * 3, (9, 20, 10)), liver),
    ):
        with pytest.raises(GridMismatchError, match="organs: lies on another grid"):
            measure_regions(image(), mask, LESION, organs=organs)
    for shape in ((2, *GRID.shape), (1, 9, 20, 10)):
        with pytest.raises(GridMismatchError, match="probabilities"):
            measure_regions(image(), mask, LESION, probabilities=np.ones(shape))
    pictures = [Geometry.from_spacing((20, 20), spacing) for spacing in ((1, 1), None)]  # without a place in space
    flat = Segmentation(mask[..., 3], pictures[1], LESION)
    assert len(medseg.measure(Image(np.zeros((1, 20, 20)), pictures[0]), flat)) == 1


def test_nine_tenths_of_a_region_are_not_more_than_nine_tenths():
    voxels = np.full(GRID.shape, -1000, np.int16)
    voxels[5:15, 3:17] = 40  # its middle lies between 9 and 10
    mask = np.zeros(GRID.shape, np.uint8)
    mask[10:14, 8:17, 4], mask[9, 8:12, 4] = 1, 1
    body = Image(voxels[np.newaxis], GRID, modality="CT", unit="HU")
    assert list(measure_regions(body, mask, LESION, families=("side",))["side"]) == ["both"]
    mask[9, 11, 4] = 0
    assert list(measure_regions(body, mask, LESION, families=("side",))["side"]) == ["right"]
