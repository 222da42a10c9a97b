"""Fragments that are put together, masks of very many regions, and regions found island by island."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import UnknownSpacingError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.regions import find_regions, islands, measure_regions
from medseg.regions.merging import merge_close

TWO = Labels.from_config({"a": 1, "b": 2})
GRID = Geometry.from_spacing((20, 12, 9), (0.5, 1, 2))


def test_fragments_at_most_so_far_apart_are_one_region():
    mask = np.zeros(GRID.shape, np.uint8)
    mask[0:2, 3, 3] = mask[4, 3, 3] = mask[10, 3, 3] = 1  # 1.5 mm and 3 mm between the nearest centres
    mask[5, 3, 3] = 2
    found = find_regions(mask, TWO)
    merged = {distance: merge_close(found, GRID, distance) for distance in (0, 1.4, 1.5, 2.9, 3)}
    counts = {distance: [(one.label, one.id, one.voxels) for one in regions] for distance, regions in merged.items()}
    assert counts[0] == counts[1.4] == [("a", 1, 2), ("a", 2, 1), ("a", 3, 1), ("b", 1, 1)]
    assert counts[1.5] == counts[2.9] == [("a", 1, 3), ("a", 2, 1), ("b", 1, 1)]
    assert counts[3] == [("a", 1, 4), ("b", 1, 1)]
    whole = merged[3][0]
    assert (whole.start, whole.size) == ((0, 3, 3), (11, 1, 1))
    np.testing.assert_array_equal(whole.mask[:, 0, 0], mask[:11, 3, 3] == 1)


def test_a_table_leaves_small_regions_out_after_merging():
    mask = np.zeros(GRID.shape, np.uint8)
    mask[0:2, 3, 3] = mask[4, 3, 3] = mask[15, 3, 3] = 1
    image = Image(np.zeros((1, *GRID.shape), np.int16), GRID)
    assert measure_regions(image, mask, TWO, min_voxels=3, merge_mm=2)["voxels"].tolist() == [3]
    assert measure_regions(image, mask, TWO, min_voxels=3).empty
    mask[5, 4, 4] = 1
    assert len(measure_regions(image, mask, TWO)) == 3
    assert len(measure_regions(image, mask, TWO, connectivity=6)) == 4


def test_merging_needs_a_spacing():
    grid = Geometry.from_spacing((4, 4), None)
    with pytest.raises(UnknownSpacingError, match="Leave merge_mm out"):
        merge_close(find_regions(np.ones((4, 4), np.uint8), TWO), grid, 2)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), distance=st.floats(0.5, 6), density=st.floats(0.01, 0.2))
def test_merged_regions_are_those_of_all_distances(seed, distance, density):
    rng = np.random.default_rng(seed)
    mask = (rng.random((12, 11, 6)) < density).astype(np.uint8)
    turn, _r = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn * (0.7, 1.1, 2.3)
    grid = Geometry(mask.shape, affine)
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial.distance import cdist

    points = grid.to_world(np.argwhere(mask))
    steps = np.abs(np.argwhere(mask)[:, np.newaxis] - np.argwhere(mask)).max(axis=-1)
    count, groups = connected_components((cdist(points, points) <= distance) | (steps <= 1))
    found = merge_close(find_regions(mask, TWO), grid, distance)
    assert sorted(one.voxels for one in found) == sorted(np.bincount(groups, minlength=count)[:count])


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), order=st.sampled_from("CF"), many=st.sampled_from([0, 512]))
def test_regions_of_islands_are_those_of_the_whole(seed, order, many):
    """Against scipy, with blobs that lie within the boxes of others; and with one box for all."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    mask = np.zeros((70, 61, 43), np.uint8, order=order)
    for corner in rng.integers(0, (60, 50, 35), (9, 3)):
        size = rng.integers(1, 9, 3)
        mask[tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))] = 1
    mask[30:70, 2, 2] = mask[68, 2:60, 2] = 1  # a hook around whatever lies within its box
    expected, count = ndimage.label(mask, np.ones((3, 3, 3)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(islands, "_MANY", many)
        patch.setattr(islands, "_SHARE", 9.0)
        found = find_regions(mask, TWO)
    rebuilt = np.zeros_like(mask)
    for region in found:
        rebuilt[region.box] += region.mask
        assert len(np.unique(expected[region.box][region.mask])) == 1
    np.testing.assert_array_equal(rebuilt, mask)
    assert len(found) == count


def test_specks_are_measured_once_for_each_form():
    """Many regions: every figure is that of the region measured by itself."""
    from medseg.regions import form

    rng = np.random.default_rng(0)
    mask = np.zeros((60, 60, 40), np.uint8)
    mask.flat[rng.integers(0, mask.size, 300)] = 1
    grid = Geometry.from_spacing(mask.shape, (0.7, 0.8, 1.5))
    image = Image(rng.normal(size=(1, *mask.shape)), grid)
    quick = measure_regions(image, mask, TWO)
    assert len(quick) > 250
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(form, "_SMALL", 0)
        slow = measure_regions(image, mask, TWO)
    assert quick.equals(slow)
