"""Regions of a mask: which voxels belong together, in what order, and what is left out."""

import numpy as np
import pytest

from medseg.errors import InputError, LabelError
from medseg.labels import Labels
from medseg.regions import components, find_regions, pieces

LABELS = Labels.from_config({"liver": [1, 4], "tumour": 2, "ignore": 9})


def test_labels_come_in_their_order_and_regions_by_size():
    mask = np.zeros((20, 12, 9), np.uint8)
    mask[1:3, 1, 1] = 1
    mask[10:14, 3, 3] = 1
    mask[5, 5, 5] = 2
    found = find_regions(mask, LABELS)
    assert [(region.label, region.id, region.voxels) for region in found] == [
        ("liver", 1, 4), ("liver", 2, 2), ("tumour", 1, 1),
    ]  # fmt: skip
    assert found[0].start == (10, 3, 3)
    assert found[0].size == (4, 1, 1)


def test_regions_of_one_size_are_ordered_by_their_first_voxel():
    mask = np.zeros((9, 9), np.uint8)
    for corner in ((6, 0), (0, 6), (3, 3)):
        mask[corner] = 2
    assert [region.start for region in find_regions(mask, LABELS)] == [(0, 6), (3, 3), (6, 0)]


def test_a_box_and_its_crop_give_the_region_back():
    rng = np.random.default_rng(1)
    mask = (rng.random((30, 20, 10)) > 0.8).astype(np.uint8)
    rebuilt = np.zeros_like(mask)
    for region in find_regions(mask, LABELS):
        rebuilt[region.box][region.mask] += 1
    np.testing.assert_array_equal(rebuilt, mask)


def test_diagonal_neighbours_belong_together_unless_asked_otherwise():
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[1, 1, 1] = mask[2, 2, 2] = 1
    assert len(find_regions(mask, LABELS)) == 1
    assert len(find_regions(mask, LABELS, connectivity=6)) == 2
    assert len(find_regions(mask[1] | mask[2], LABELS)) == 1
    assert len(find_regions(mask[1] | mask[2], LABELS, connectivity=4)) == 2


def test_several_file_values_of_one_label_are_one_region_and_ignored_voxels_are_none():
    mask = np.array([[1, 4, 9, 9, 2]], np.uint8)
    assert [(region.label, region.voxels) for region in find_regions(mask, LABELS)] == [("liver", 2), ("tumour", 1)]


def test_small_regions_are_left_out():
    mask = np.zeros((9, 9), np.uint8)
    mask[0, :3] = mask[4, :2] = 1
    assert [region.voxels for region in find_regions(mask, LABELS, min_voxels=3)] == [3]


def test_an_empty_mask_has_no_region():
    assert find_regions(np.zeros((3, 4, 5), np.int16), LABELS) == []
    assert find_regions(np.full((3, 4), 9, np.uint8), LABELS) == []


def test_an_undeclared_value_is_refused_by_name():
    with pytest.raises(LabelError, match=r"case7: label values \[3\] are not declared"):
        find_regions(np.array([[0, 3]], np.uint8), LABELS, where="case7")


def test_a_connectivity_of_the_wrong_dimension_is_refused():
    with pytest.raises(InputError, match="Choose 4, 8"):
        find_regions(np.zeros((3, 3), np.uint8), LABELS, connectivity=26)
    with pytest.raises(InputError, match="4 axes"):
        find_regions(np.zeros((1, 3, 3, 3), np.uint8), LABELS)


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("order", ["C", "F"])
def test_regions_found_some_slices_at_a_time_are_those_of_the_whole(ndim, order, monkeypatch):
    rng = np.random.default_rng(5)
    noise = rng.random((23, 17, 11)[:ndim])
    mask = np.array(np.select([noise > 0.75, noise > 0.55, noise > 0.5], [2, 1, 4], 0), np.uint8, order=order)[::-1]
    for connectivity in components.CONNECTIVITIES[ndim]:
        whole = find_regions(mask, LABELS, connectivity=connectivity)
        for voxels, packed_from in ((1, 1), (200, 1), (1000, 1 << 16)):
            with monkeypatch.context() as patch:
                patch.setattr(components, "_SLAB", voxels)
                patch.setattr(pieces, "_LARGE", packed_from)
                found = find_regions(mask, LABELS, connectivity=connectivity)
            assert [_described(region) for region in found] == [_described(region) for region in whole]


def test_an_undeclared_value_is_named_wherever_it_lies(monkeypatch):
    monkeypatch.setattr(components, "_SLAB", 1)
    mask = np.array([[0, 3], [1, 1], [7, 2]], np.uint8)
    with pytest.raises(LabelError, match=r"label values \[3, 7\] are not declared"):
        find_regions(mask, LABELS)


def _described(region):
    return region.label, region.id, region.voxels, region.start, region.size, region.mask.tobytes()
