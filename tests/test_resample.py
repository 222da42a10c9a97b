"""Voxels on other grids: against ITK's own images, torch, smooth functions, and exact copies."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medseg.errors import GridMismatchError, InputError, LabelError, UnknownSpacingError
from medseg.geometry import Geometry, Reorientation
from medseg.labels import Labels
from medseg.resample import covered, resample, resample_labels, spaced

TURNS = [Reorientation(axes, flips) for axes in permutations(range(3)) for flips in product((False, True), repeat=3)]


def grid(shape, spacing, angles=(0.0, 0.0, 0.0), origin=(-40.0, 17.0, 250.0), shear=0.0) -> Geometry:
    """A 3D grid, turned by Euler angles in degrees; its slices shifted along x by `shear` mm each."""
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * np.asarray(spacing)
    affine = np.eye(4)
    axes[:, 2] += shear * axes[:, 0] / spacing[0]
    affine[:3, :3], affine[:3, 3] = axes, origin
    return Geometry(shape, affine)


def wave(geometry: Geometry, length_mm: float = 60.0) -> np.ndarray:
    """A smooth function of the world position, between -1 and 1, shape (1, *grid)."""
    world = geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1))
    return np.sin(world @ [0.6, 0.5, 0.4] * 2 * np.pi / length_mm)[np.newaxis].astype(np.float32)


def around(geometry: Geometry, shape, spacing, **turned) -> Geometry:
    """A grid with the same middle as another."""
    other = grid(shape, spacing, **turned)
    affine = other.affine.copy()
    affine[:3, 3] += geometry.to_world((np.array(geometry.shape) - 1) / 2) - other.to_world((np.array(shape) - 1) / 2)
    return Geometry(shape, affine)


def outer_corners(geometry: Geometry) -> np.ndarray:
    return geometry.to_world(list(product(*((-0.5, n - 0.5) for n in geometry.shape))))


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(*[st.integers(1, 60)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 6)] * 3),
    wanted=st.tuples(*[st.floats(0.3, 6)] * 3),
    shear=st.floats(-1, 1),
)
def test_a_grid_of_another_spacing_keeps_its_outer_edges(shape, spacing, wanted, shear):
    before = grid(shape, spacing, (10, -20, 30), shear=shear)
    after = spaced(before, wanted)
    np.testing.assert_allclose(outer_corners(after), outer_corners(before), atol=1e-9)
    assert after.shape == tuple(
        max(1, round(n * have / want)) for n, have, want in zip(shape, before.step, wanted, strict=True)
    )
    assert covered(before, after).all()


def test_a_spacing_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="one number above 0"):
        spaced(grid((4, 4, 4), (1, 1, 1)), (1, 0, 1))
    with pytest.raises(InputError, match="for 3 axes"):
        spaced(grid((4, 4, 4), (1, 1, 1)), (1, 1))
    with pytest.raises(UnknownSpacingError):
        spaced(Geometry.from_spacing((4, 4), None), (1, 1))


@pytest.mark.parametrize("order", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("turn", TURNS)
def test_the_same_voxels_in_another_order_are_copied_exactly(turn, order):
    source = grid((4, 5, 6), (0.7, 1.1, 3.0), (12, 25, -40))
    voxels = np.random.default_rng(1).normal(0, 1000, (2, *source.shape)).astype(np.float32)
    found = resample(voxels, source, source.reoriented(turn), order=order)
    np.testing.assert_array_equal(found, turn.apply(voxels))


@pytest.mark.parametrize("order", ["linear", "cubic"])
def test_a_part_of_a_sheared_grid_is_cut_out_exactly_and_filled_beyond(order):
    source = grid((9, 8, 7), (0.7, 1.1, 3.0), (12, 25, -40), shear=1.3)
    voxels = np.random.default_rng(1).normal(0, 1000, (1, *source.shape)).astype(np.float32)
    found = resample(voxels, source, source.cropped((4, 3, 2), (6, 3, 4)), order=order, outside=-7)
    np.testing.assert_array_equal(found[:, :5], voxels[:, 4:, 3:6, 2:6])
    assert (found[:, 5:] == -7).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", ">i2", "int32", "uint16", "float16", "float64"])
def test_nearest_keeps_the_stored_type_and_the_rest_is_float32(dtype):
    source = grid((5, 5, 5), (1, 1, 1))
    voxels = (np.random.default_rng(0).random((1, 5, 5, 5)) * 200).astype(dtype)
    finer = spaced(source, (0.5, 0.5, 0.5))
    assert resample(voxels, source, finer, order="nearest").dtype == np.dtype(dtype)
    np.testing.assert_array_equal(
        resample(voxels, source, finer, order="nearest"), voxels.repeat(2, 1).repeat(2, 2).repeat(2, 3)
    )
    assert resample(voxels, source, finer).dtype == np.float32


def as_itk(voxels: np.ndarray, geometry: Geometry) -> SimpleITK.Image:
    picture = SimpleITK.GetImageFromArray(voxels[0].T)
    to_lps = np.diag([-1.0, -1.0, 1.0])
    picture.SetSpacing(geometry.step)
    picture.SetDirection((to_lps @ geometry.affine[:3, :3] / geometry.step).ravel().tolist())
    picture.SetOrigin((to_lps @ geometry.affine[:3, 3]).tolist())
    return picture


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, -35, 50)])
def test_linear_is_what_itk_makes_of_images_with_geometry(angles):
    source = grid((30, 28, 12), (0.9, 1.1, 3.0), (5, 0, -10))
    target = around(source, (40, 33, 25), (1.0, 0.8, 1.7), angles=angles)
    voxels = np.random.default_rng(2).normal(0, 1, (1, *source.shape)).astype(np.float32)
    theirs = SimpleITK.Resample(as_itk(voxels, source), as_itk(wave(target), target), SimpleITK.Transform(), 2, -5.0)
    np.testing.assert_allclose(
        resample(voxels, source, target, outside=-5)[0], SimpleITK.GetArrayFromImage(theirs).T, atol=1e-4
    )


def test_cubic_is_what_itk_makes_of_it_away_from_the_edges():
    source = grid((30, 28, 24), (0.9, 1.1, 1.0))
    target = around(source, (12, 12, 12), (0.7, 0.8, 0.6), angles=(20, -35, 50))
    voxels = np.random.default_rng(2).normal(0, 1, (1, *source.shape)).astype(np.float32)
    theirs = SimpleITK.Resample(
        as_itk(voxels, source), as_itk(wave(target), target), SimpleITK.Transform(), SimpleITK.sitkBSpline
    )
    found = resample(voxels, source, target, order="cubic")
    np.testing.assert_allclose(found[0], SimpleITK.GetArrayFromImage(theirs).T, atol=1e-3)


@pytest.mark.parametrize("wanted", [(1.5, 1.5, 1.5), (0.5, 2.0, 4.0)])
def test_linear_with_extents_kept_is_what_torch_interpolates(wanted):
    source = grid((20, 17, 9), (0.8, 0.8, 3.0), (10, 20, 30))
    target = spaced(source, wanted)
    voxels = np.random.default_rng(3).normal(0, 1, (2, *source.shape)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(voxels)[None], target.shape, mode="trilinear")[0]
    np.testing.assert_allclose(resample(voxels, source, target), theirs.numpy(), atol=1e-5)


def test_two_axes_are_resampled_like_three():
    source = Geometry.from_spacing((40, 30), (0.4, 0.3), "PixelSpacing")
    target = spaced(source, (0.25, 0.5))
    voxels = np.random.default_rng(3).normal(0, 1, (1, *source.shape)).astype(np.float32)
    theirs = torch.nn.functional.interpolate(torch.from_numpy(voxels)[None], target.shape, mode="bilinear")[0]
    np.testing.assert_allclose(resample(voxels, source, target), theirs.numpy(), atol=1e-5)
    assert target.spacing_source == "PixelSpacing"


@pytest.mark.parametrize("order", ["linear", "cubic"])
def test_edge_voxels_go_on_to_their_outer_edge_and_no_farther(order):
    source = grid((6, 5, 5), (1, 1, 1), origin=(0, 0, 0))
    voxels = np.full((1, 6, 5, 5), 30.0)
    target = grid((40, 1, 1), (0.25, 1, 1), origin=(-2, 2, 2))
    found = resample(voxels, source, target, order=order, outside=-1)[0, :, 0, 0]
    inside = np.abs(np.arange(40) * 0.25 - 2 - 2.5) < 3
    edge = np.abs(np.arange(40) * 0.25 - 2 - 2.5) == 3
    np.testing.assert_allclose(found[inside], 30, atol=1e-3)
    assert (found[~inside & ~edge] == -1).all()
    np.testing.assert_array_equal(covered(source, target)[~edge, 0, 0], inside[~edge])


@pytest.mark.parametrize(("order", "most"), [("linear", 0.03), ("cubic", 0.002)])
@pytest.mark.parametrize("shear", [0.0, 1.2])
def test_a_smooth_function_is_found_again_there_and_back(order, most, shear):
    source = grid((60, 60, 40), (1.0, 1.0, 1.5), (5, 10, 15), shear=shear)
    there = around(source, (90, 90, 90), (1.1, 0.9, 1.0), angles=(30, -20, 65), shear=-0.4)
    seen = resample(wave(source), source, there, order=order)
    known = covered(source, there)
    interior = np.zeros(source.shape, bool)
    interior[20:40, 20:40, 14:26] = True
    assert 0.2 < known.mean() < 0.9
    inner = resample(interior[np.newaxis], source, there)[0] == 1
    assert np.abs(seen - wave(there))[0, inner].max() < most
    back = resample(seen, there, source, order=order)
    assert np.abs(back - wave(source))[0, interior].max() < 2 * most


def test_what_cannot_be_resampled_is_refused():
    one, flat = grid((4, 4, 4), (1, 1, 1)), Geometry.from_spacing((4, 4), (1, 1))
    unknown = Geometry.from_spacing((4, 4, 4), None)
    voxels = np.zeros((1, 4, 4, 4))
    with pytest.raises(GridMismatchError, match="3 and 2 axes"):
        resample(voxels, one, flat)
    with pytest.raises(UnknownSpacingError):
        resample(voxels, one, unknown)
    with pytest.raises(GridMismatchError, match=r"\(4, 4, 4\)"):
        resample(voxels[0], one, one)
    voxels[0, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        resample(voxels, one, one, order="cubic")


LABELS = Labels.from_config({"organ": [5, 6], "lesion": 2, "ignore": 9})


def test_labels_are_the_largest_linear_share_of_each_class():
    source = grid((12, 11, 10), (1.0, 1.2, 2.0))
    target = spaced(source, (1.7, 0.8, 1.1))
    mask = np.random.default_rng(5).choice([0, 5, 6, 2, 9], source.shape).astype(np.int16)
    found = resample_labels(mask, source, target, LABELS)
    shares = np.stack([resample(np.isin(mask, values)[None], source, target)[0] for values in ([0], [5, 6], [2], [9])])
    clear = np.diff(np.sort(shares, axis=0)[-2:], axis=0)[0] > 1e-5
    np.testing.assert_array_equal(found[clear], np.array([0, 5, 2, 9])[shares.argmax(0)][clear])
    assert clear.mean() > 0.95
    assert set(np.unique(found)) == {0, 2, 5, 9}


def test_equal_shares_go_to_the_lower_index_and_outside_is_background():
    source = grid((4, 1, 1), (1, 1, 1), origin=(0, 0, 0))
    mask = np.array([2, 5, 0, 5], np.uint8).reshape(4, 1, 1)
    between = grid((5, 1, 1), (1, 1, 1), origin=(0.5, 0, 0))
    found = resample_labels(mask, source, between, LABELS).ravel().tolist()
    assert found[:3] == [5, 0, 0]
    assert found[4] == 0
    with pytest.raises(LabelError, match=r"\[7\] are not declared"):
        resample_labels(np.full_like(mask, 7), source, between, LABELS)


def test_ignored_voxels_keep_their_value_whatever_the_type_of_the_others():
    source = grid((4, 4, 4), (1, 1, 1))
    labels = Labels.from_config({"lesion": 1, "ignore": -1000})
    mask = np.random.default_rng(0).choice([0, 1, -1000], source.shape)
    np.testing.assert_array_equal(resample_labels(mask, source, source, labels), mask)


def test_labels_that_overlap_are_resampled_each_by_itself():
    labels = replace(Labels.from_config({"whole": 1, "core": 2}), exclusive=False)
    source = grid((8, 8, 8), (1, 1, 1))
    finer = spaced(source, (0.5, 0.5, 0.5))
    mask = np.zeros((2, 8, 8, 8), np.uint8)
    mask[0, 1:7, 1:7, 1:7] = mask[1, 3:5, 3:5, 3:5] = 1
    found = resample_labels(mask, source, finer, labels)
    assert found.dtype == np.uint8
    assert found.sum(axis=(1, 2, 3)) * finer.voxel_size == pytest.approx([6**3, 2**3], rel=0.2)
    assert (found[1] <= found[0]).all()


@pytest.mark.parametrize("shear", [0.0, 1.5])
def test_a_ball_keeps_its_place_and_volume_on_any_grid(shear):
    source = grid((50, 50, 30), (1.0, 1.0, 2.0), (10, 20, 30), shear=shear)
    target = around(source, (60, 60, 60), (0.9, 1.3, 0.8), angles=(-50, 5, 70))
    middle = source.to_world([24.5, 24.5, 14.5])

    def ball(geometry: Geometry) -> np.ndarray:
        world = geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1))
        return (np.linalg.norm(world - middle, axis=-1) < 12).astype(np.uint8) * 2

    found = resample_labels(ball(source), source, target, LABELS)
    before = ball(source).sum() / 2 * source.voxel_size
    assert found.sum() / 2 * target.voxel_size == pytest.approx(before, rel=0.01)
    np.testing.assert_allclose(target.to_world(np.argwhere(found).mean(0)), middle, atol=0.05)
