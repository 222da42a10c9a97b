"""Sheared slices on an upright grid: where they were, as large as they were, and none of them lost."""

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medseg.errors import GeometryError, GridMismatchError, InputError
from medseg.geometry import Geometry
from medseg.io.dicom.tilt import untilted, upright


def sheared(shape, spacing, sideways_mm, angles=(0.0, 0.0, 0.0)) -> Geometry:
    """Slices of a turned grid, each shifted in its plane by so many mm along x and y."""
    axes = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = axes * np.asarray(spacing)
    affine[:3, 2] += axes[:, :2] @ sideways_mm
    affine[:3, 3] = (-40, 17, 250)
    return Geometry(shape, affine)


def ball(geometry: Geometry, middle: np.ndarray, radius: float) -> np.ndarray:
    """The share of each voxel near its edge that a soft ball fills, shape (1, *grid)."""
    world = geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1))
    return np.clip(radius + 1 - np.linalg.norm(world - middle, axis=-1), 0, 1)[np.newaxis].astype(np.float32)


def assert_same_planes(before: Geometry, after: Geometry) -> None:
    """Right angles, the same pixels and planes, and every outer edge of every slice within."""
    assert after.orthogonal
    assert after.shape[2] == before.shape[2]
    np.testing.assert_array_equal(after.affine[:3, :2], before.affine[:3, :2])
    sides = [(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)]
    corners = np.array(sides) * (np.array(before.shape) - 1) + np.array([*(np.array(sides).T[:2] - 0.5), [0] * 8]).T
    found = after.to_index(before.to_world(corners))
    np.testing.assert_allclose(found[:, 2], corners[:, 2], atol=1e-6)
    assert (found[:, :2] > -0.5 - 1e-5).all()
    assert (found[:, :2] < np.array(after.shape[:2]) - 0.5 + 1e-5).all()
    np.testing.assert_allclose(after.to_index(before.to_world((0, 0, 0))) % 1 % (1 - 1e-9), 0, atol=1e-9)


@settings(deadline=None, max_examples=25)
@given(
    spacing=st.tuples(st.floats(0.5, 1.5), st.floats(0.5, 1.5), st.floats(1, 3)),
    tilt=st.tuples(st.floats(-0.6, 0.6), st.floats(-0.6, 0.6)),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
)
def test_a_ball_keeps_its_place_and_volume(spacing, tilt, angles):
    shape = tuple(int(40 / step) for step in spacing)
    before = sheared(shape, spacing, np.array(tilt) * spacing[2], angles)
    middle = before.to_world((np.array(shape) - 1) / 2)
    voxels = ball(before, middle, 10) + 5
    found, after = untilted(voxels, before)
    assert_same_planes(before, after)
    weight = found[0] - 5
    assert weight.min() >= -1e-4
    assert weight.sum() * after.voxel_size == pytest.approx((voxels - 5).sum() * before.voxel_size, rel=2e-3)
    centre = (after.to_world(np.moveaxis(np.indices(after.shape), 0, -1)) * weight[..., None]).sum((0, 1, 2))
    np.testing.assert_allclose(centre / weight.sum(), middle, atol=0.03)


@pytest.mark.parametrize("pixels", [(1, 0), (-2, 0), (0, 3), (-1, 2)])
def test_shifts_of_whole_pixels_lose_no_bit(pixels):
    before = sheared((6, 7, 4), (0.5, 0.8, 3.0), np.array(pixels) * (0.5, 0.8), (10, 20, 30))
    voxels = np.random.default_rng(0).integers(-1000, 3000, (1, 6, 7, 4)).astype(np.int16)
    found, after = untilted(voxels, before)
    assert after.shape == (6 + 3 * abs(pixels[0]), 7 + 3 * abs(pixels[1]), 4)
    assert found.dtype == np.float32
    for k in range(4):
        x, y = (k * n - min(0, 3 * n) for n in pixels)
        np.testing.assert_array_equal(found[0, x : x + 6, y : y + 7, k], voxels[0, :, :, k])
        assert (found[0, ..., k] != voxels.min()).sum() <= 42


def test_no_slice_is_mixed_with_another():
    before = sheared((20, 20, 5), (1.0, 1.0, 4.0), (0.37, -0.71), (5, 6, 7))
    voxels = np.broadcast_to(np.array([10.0, 70.0, 30.0, 90.0, 50.0]), (1, 20, 20, 5))
    found, _ = untilted(voxels, before)
    for k, value in enumerate((10, 70, 30, 90, 50)):
        inside = found[0, 3:17, 4:17, k]
        np.testing.assert_allclose(inside, value, rtol=1e-6)
        assert set(np.unique(found[0, ..., k].round(3))) <= {10.0, float(value)}


def test_what_stands_at_right_angles_stays_as_it_is():
    before = sheared((4, 5, 6), (1, 2, 3), (0, 0), (10, 20, 30))
    voxels = np.zeros((1, 4, 5, 6), np.int16)
    assert untilted(voxels, before) == (voxels, before)


def test_a_shear_that_is_no_tilt_is_refused():
    voxels = np.zeros((1, 4, 5, 6), np.float32)
    with pytest.raises(GeometryError, match="sheared by 53°, expected a gantry tilt of up to 45°"):
        untilted(voxels, sheared((4, 5, 6), (1, 1, 3), (4, 0)))
    skew = Geometry((4, 5, 6), np.array([[1, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    with pytest.raises(GeometryError, match="pixels of a slice are sheared"):
        upright(skew)
    with pytest.raises(GridMismatchError):
        untilted(voxels[..., 1:], sheared((4, 5, 6), (1, 1, 3), (1, 0)))
    with pytest.raises(InputError, match="no finite value"):
        untilted(voxels * np.nan, sheared((4, 5, 6), (1, 1, 3), (1, 0)))


def test_a_series_scanned_with_a_tilted_gantry_stands_upright(test_data):
    files = sorted((test_data / "awkward" / "dicom2nifti_failing" / "gantrytilting" / "001").iterdir())
    slices = [pydicom.dcmread(file) for file in files]
    row, column = np.array(slices[0].ImageOrientationPatient, float).reshape(2, 3)
    place = [np.array(one.ImagePositionPatient, float) for one in slices]
    affine = np.eye(4)
    affine[:3] = np.stack(
        [row * slices[0].PixelSpacing[1], column * slices[0].PixelSpacing[0], place[1] - place[0], place[0]], 1
    )
    affine[:2] *= -1
    before = Geometry((512, 512, 4), affine)
    voxels = np.stack([one.pixel_array.T * float(one.RescaleSlope) + float(one.RescaleIntercept) for one in slices], -1)
    voxels[[0, -1]] = voxels[:, [0, -1]] = voxels.min()  # or a fraction of the outermost row would be gained or lost
    found, after = untilted(voxels[np.newaxis], before)
    assert_same_planes(before, after)
    sideways = 5 * 0.2419218955997  # mm a slice, along the columns
    assert after.shape == (512, 512 + np.ceil(3 * sideways / 0.41796875), 4)
    assert after.step == pytest.approx((0.41796875, 0.41796875, 5 * 0.970295726276))
    for k in range(4):  # the pixels are random grey without anatomy, so each slice's mass and its centre are compared
        masses, centres = [], []
        for grid, array in ((before, voxels), (after, found[0])):
            mass = array[..., k] - voxels.min()
            index = np.indices(mass.shape).reshape(2, -1) @ mass.ravel() / mass.sum()
            masses.append(mass.sum())
            centres.append(grid.to_world([*index, k]))
        assert masses[1] == pytest.approx(masses[0], rel=1e-6)
        np.testing.assert_allclose(*centres, atol=1e-4)
