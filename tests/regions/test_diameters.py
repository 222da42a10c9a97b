"""Diameters against shapes of known size, against every pair of vertices, and on turned grids."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.regions import axial_diameters, longest_diameter


def rotation(seed: int) -> np.ndarray:
    turned, _r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    return turned * np.sign(np.linalg.det(turned))


def grid(shape: tuple[int, ...], spacing: tuple[float, ...], seed: int | None = None) -> Geometry:
    """A grid of that spacing, oblique where a seed is given."""
    affine = np.eye(len(shape) + 1)
    turn = np.eye(len(shape)) if seed is None else rotation(seed)
    affine[:-1, :-1] = turn * np.array(spacing)
    affine[:-1, -1] = 17.3
    return Geometry(shape, affine)


def ellipsoid(shape: tuple[int, ...], geometry: Geometry, axes: np.ndarray, radii: tuple[float, ...]) -> np.ndarray:
    """Voxels inside an ellipsoid (mm) in the middle of the grid; `axes` are its directions in the world."""
    centre = geometry.to_world((np.array(shape) - 1) / 2)
    offset = (geometry.to_world(np.moveaxis(np.indices(shape), 0, -1)) - centre) @ axes
    return ((offset / np.array(radii)) ** 2).sum(-1) <= 1


@pytest.mark.parametrize("shape", [(3, 3, 3), (1, 1, 1)])
def test_one_voxel_measures_one_voxel(shape):
    mask = np.zeros(shape, bool)
    mask[tuple(n // 2 for n in shape)] = True
    geometry = grid(shape, (0.7, 0.9, 5.0), seed=3)
    assert longest_diameter(mask, geometry).length == pytest.approx(5.0)
    axial = axial_diameters(mask, geometry)
    assert axial.longest.length == pytest.approx(0.9)
    assert axial.perpendicular.length == pytest.approx(0.7)


def test_a_row_of_voxels_measures_its_length():
    mask = np.zeros((12, 5), bool)
    mask[2:9, 2] = True
    geometry = Geometry.from_spacing(mask.shape, (0.5, 0.25))
    axial = axial_diameters(mask, geometry)
    assert axial.longest.length == pytest.approx(3.5)
    assert axial.perpendicular.length == pytest.approx(0.25)
    np.testing.assert_allclose(sorted([axial.longest.start, axial.longest.end]), [(0.75, 0.5), (4.25, 0.5)])


def test_without_spacing_lengths_are_in_pixels():
    mask = np.ones((4, 1), bool)
    assert longest_diameter(mask, Geometry.from_spacing(mask.shape, None)).length == pytest.approx(4)


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 2.5)])
def test_a_sphere_measures_its_diameter_within_one_voxel(spacing, seed):
    radius = 10 * max(spacing)
    shape = tuple(int(2 * radius / step) + 4 for step in spacing)
    geometry = grid(shape, spacing, seed)
    mask = ellipsoid(shape, geometry, np.eye(3), (radius,) * 3)
    assert mask.sum() * geometry.voxel_size == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    axial = axial_diameters(mask, geometry)
    for length in (longest_diameter(mask, geometry).length, axial.longest.length, axial.perpendicular.length):
        assert abs(length - 2 * radius) <= max(spacing)


@pytest.mark.parametrize("seed", [4, 5])
def test_an_ellipsoid_in_any_direction_measures_its_longest_axis_within_one_voxel(seed):
    spacing, radii, shape = (0.8, 0.8, 1.6), (30.0, 20.0, 16.0), (78, 78, 42)
    geometry = grid(shape, spacing, seed)
    mask = ellipsoid(shape, geometry, rotation(seed + 100), radii)
    assert mask.sum() * geometry.voxel_size == pytest.approx(4 / 3 * np.pi * np.prod(radii), rel=0.01)
    assert abs(longest_diameter(mask, geometry).length - 60) <= 1.6


def test_an_ellipsoid_along_the_grid_measures_both_axes_in_its_middle_slice():
    shape, spacing = (60, 60, 25), (0.8, 0.8, 2.0)
    geometry = grid(shape, spacing, seed=8)
    mask = ellipsoid(shape, geometry, rotation(8), (20.0, 12.0, 22.0))
    axial = axial_diameters(mask, geometry)
    assert axial.slice in (11, 12, 13)  # they measure the same in whole voxels
    assert abs(axial.longest.length - 40) <= 0.8
    assert abs(axial.perpendicular.length - 24) <= 0.8


@pytest.mark.parametrize("shear", [(0, 2, 1.2), (1, 2, -0.8), (0, 1, 0.5)])
@pytest.mark.parametrize("seed", [None, 12])
def test_on_a_sheared_grid_a_sphere_measures_what_it_measures_in_the_world(shear, seed):
    """Axis `shear[1]` leans along axis `shear[0]` by so many mm a step: a tilted gantry, or a skewed header."""
    along, leaning, sideways = shear
    shape, spacing, radius = (70, 70, 40), (0.8, 0.9, 2.0), 15.0
    upright = grid(shape, spacing, seed)
    affine = upright.affine.copy()
    affine[:3, leaning] += sideways * affine[:3, along] / spacing[along]
    geometry = Geometry(shape, affine)
    assert not geometry.orthogonal
    mask = ellipsoid(shape, geometry, np.eye(3), (radius,) * 3)
    assert mask.sum() * geometry.voxel_size == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.01)
    axial = axial_diameters(mask, geometry)
    for found in (longest_diameter(mask, geometry), axial.longest, axial.perpendicular):
        assert abs(found.length - 2 * radius) <= max(geometry.step)
        assert np.linalg.norm(np.subtract(found.end, found.start)) == pytest.approx(found.length)
    middle = geometry.to_world((np.array(shape) - 1) / 2)
    np.testing.assert_allclose(geometry.to_world(np.argwhere(mask).mean(0)), middle, atol=0.05)


def test_the_acquisition_plane_may_be_any_plane_of_the_array():
    mask = np.zeros((6, 30, 30), bool)
    mask[3, 5:15, 8] = True
    mask[:, 20, 20] = True
    axial = axial_diameters(mask, Geometry.from_spacing(mask.shape, (5.0, 1.0, 1.0)))
    assert (axial.slice, axial.longest.length) == (3, pytest.approx(np.hypot(15 + 1, 12)))


def test_the_ends_of_both_diameters_are_where_they_say():
    geometry = grid((40, 40, 12), (0.7, 0.7, 3.0), seed=6)
    mask = ellipsoid((40, 40, 12), geometry, rotation(9), (13.0, 7.0, 9.0))
    axial = axial_diameters(mask, geometry)
    along = np.subtract(axial.longest.end, axial.longest.start)
    across = np.subtract(axial.perpendicular.end, axial.perpendicular.start)
    assert np.linalg.norm(along) == pytest.approx(axial.longest.length)
    assert np.linalg.norm(across) == pytest.approx(axial.perpendicular.length)
    assert along @ across == pytest.approx(0, abs=1e-6)
    ends = geometry.to_index([*(axial.longest.start, axial.longest.end), *(axial.perpendicular.start,)])
    np.testing.assert_allclose(ends[:, 2], axial.slice, atol=1e-9)


def brute_force(mask: np.ndarray, geometry: Geometry) -> float:
    """Longest distance between any two points midway between a voxel inside and its neighbour outside."""
    centres = np.argwhere(mask)
    steps = np.concatenate([np.eye(mask.ndim), -np.eye(mask.ndim)]) / 2
    points = geometry.to_world((centres[:, np.newaxis] + steps).reshape(-1, mask.ndim))
    return float(np.linalg.norm(points[:, np.newaxis] - points, axis=-1).max())


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_the_longest_diameter_is_the_longest_of_all_pairs(data):
    shape = data.draw(st.sampled_from([(4, 3, 5), (6, 1, 4), (7, 7), (9, 1)]))
    bits = data.draw(st.lists(st.booleans(), min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    mask = np.array(bits).reshape(shape)
    mask.flat[0] = True
    geometry = grid(shape, (0.5, 1.3, 2.1)[: len(shape)], seed=None if len(shape) == 2 else 11)
    assert longest_diameter(mask, geometry).length == pytest.approx(brute_force(mask, geometry))
    if len(shape) == 2:
        assert axial_diameters(mask, geometry).longest.length == pytest.approx(brute_force(mask, geometry))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), density=st.floats(0.02, 0.6))
def test_turning_the_array_changes_no_diameter(seed, density):
    rng = np.random.default_rng(seed)
    mask = rng.random((7, 6, 5)) < density
    mask[3, 3, 2] = True
    affine = np.diag([0.6, 0.9, 2.0, 1.0])
    expected = (
        longest_diameter(mask, Geometry(mask.shape, affine)),
        axial_diameters(mask, Geometry(mask.shape, affine)),
    )
    order = rng.permutation(3)
    turned = affine[:, [*order, 3]] @ np.diag([*rng.choice([-1, 1], 3), 1])
    flipped = tuple(int(axis) for axis in range(3) if turned[:3, axis].sum() < 0)
    array = np.flip(mask.transpose(order), flipped)
    geometry = Geometry(array.shape, turned)
    assert longest_diameter(array, geometry).length == pytest.approx(expected[0].length)
    axial = axial_diameters(array, geometry)
    assert axial.longest.length == pytest.approx(expected[1].longest.length)
    assert axial.perpendicular.length == pytest.approx(expected[1].perpendicular.length)


def test_a_flat_sheet_and_a_full_block_measure_their_diagonals():
    for shape in ((40, 30, 1), (12, 11, 10)):
        mask = np.ones(shape, bool)
        longest = max(
            np.linalg.norm([n - 1 + (axis == i) for i, n in enumerate(shape)]) for axis in range(3)
        )  # a vertex lies half a voxel out along one axis only
        assert longest_diameter(mask, Geometry.from_spacing(shape, (1, 1, 1))).length == pytest.approx(longest)


def test_a_square_measures_its_diagonals():
    corners = list(product((0, 1), repeat=2))
    mask = np.zeros((2, 2), bool)
    for corner in corners:
        mask[corner] = True
    axial = axial_diameters(mask, Geometry.from_spacing((2, 2), (1, 1)))
    assert axial.longest.length == pytest.approx(np.sqrt(5))
    assert axial.perpendicular.length <= axial.longest.length


def test_an_empty_mask_and_a_foreign_grid_are_refused():
    geometry = Geometry.from_spacing((3, 3, 3), (1, 1, 1))
    for mask in (np.zeros((3, 3, 3), bool), np.ones((2, 3, 3), bool)):
        with pytest.raises(InputError, match="its own geometry"):
            longest_diameter(mask, geometry)
        with pytest.raises(InputError, match="its own geometry"):
            axial_diameters(mask, geometry)
