"""The grid: what follows from shape and affine, in 2D and 3D."""

from itertools import permutations, product

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from medseg.errors import GeometryError, UnknownSpacingError
from medseg.geometry import Geometry, Reorientation

SHAPE = (5, 6, 7)
ORIENTATIONS = [
    (axes, signs) for axes in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)
]  # all 48 ways in which three array axes can lie along the body's


def oriented(axes: tuple[int, ...], signs: tuple[float, ...]) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = np.zeros((3, 3))
    for array_axis, (world_axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[world_axis, array_axis] = sign * (0.7, 1.1, 3.0)[array_axis]
    affine[:3, 3] = (-10, 20, 30)
    return Geometry(SHAPE, affine)


@st.composite
def oblique(draw: st.DrawFn) -> Geometry:
    """A rotated, anisotropic, perhaps mirrored grid."""
    turn = Rotation.from_euler("xyz", [draw(st.floats(-180, 180)) for _ in range(3)], degrees=True).as_matrix()
    spacing = np.array([draw(st.floats(0.3, 6)) for _ in range(3)])
    spacing[0] *= draw(st.sampled_from([1, -1]))
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return Geometry(tuple(draw(st.integers(1, 9)) for _ in range(3)), affine)


def outer_corners(geometry: Geometry) -> np.ndarray:
    """World positions of the outer edges of the corner voxels."""
    return geometry.to_world(list(product(*((-0.5, n - 0.5) for n in geometry.shape))))


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_each_of_48_orientations_is_named_and_turned_as_nibabel_does(axes, signs):
    geometry = oriented(axes, signs)
    assert geometry.orientation == "".join(nibabel.aff2axcodes(geometry.affine))
    voxels = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(voxels.astype(np.int32), geometry.affine))
    turned = geometry.reoriented(geometry.to_canonical)
    assert turned.orientation == "RAS"
    assert np.array_equal(geometry.to_canonical.apply(voxels), canonical.get_fdata())
    assert np.allclose(turned.affine, canonical.affine)


@given(oblique())
@settings(max_examples=60, deadline=None)
def test_an_oblique_grid_is_named_as_nibabel_names_it(geometry):
    assert geometry.orientation == "".join(nibabel.aff2axcodes(geometry.affine))


@pytest.mark.parametrize(("axes", "signs"), ORIENTATIONS)
def test_turning_there_and_back_changes_nothing(axes, signs):
    turn = oriented(axes, signs).to_canonical
    voxels = np.random.default_rng(0).random((2, *SHAPE))
    assert np.array_equal(turn.undo(turn.apply(voxels)), voxels)
    assert turn.identity == (axes == (0, 1, 2) and signs == (1, 1, 1))


@given(oblique(), st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
@settings(max_examples=60, deadline=None)
def test_a_turned_voxel_keeps_its_place_in_the_world(geometry, permutation, flipped):
    turn = Reorientation(tuple(permutation), flipped)
    turned = geometry.reoriented(turn)
    places = geometry.to_world(np.moveaxis(np.indices(geometry.shape), 0, -1))
    moved = np.stack([turn.apply(places[..., axis]) for axis in range(3)], axis=-1)
    assert np.allclose(moved, turned.to_world(np.moveaxis(np.indices(turned.shape), 0, -1)), atol=1e-9)


@given(oblique(), st.tuples(*[st.integers(1, 20)] * 3))
@settings(max_examples=60, deadline=None)
def test_a_resized_grid_keeps_its_outer_edges(geometry, shape):
    resized = geometry.resized(shape)
    assert resized.shape == shape
    assert np.allclose(outer_corners(resized), outer_corners(geometry), atol=1e-9)


@given(oblique())
@settings(max_examples=40, deadline=None)
def test_world_and_index_are_inverse(geometry):
    index = np.random.default_rng(0).uniform(-5, 20, (10, 3))
    assert np.allclose(geometry.to_index(geometry.to_world(index)), index, atol=1e-6)


def test_a_cropped_grid_begins_where_the_box_does():
    geometry = oriented((2, 0, 1), (1, -1, 1))
    cropped = geometry.cropped((1, 2, 3), (2, 2, 2))
    assert cropped.shape == (2, 2, 2)
    assert np.allclose(cropped.to_world((0, 0, 0)), geometry.to_world((1, 2, 3)))


def test_the_volume_of_a_voxel_is_the_product_of_its_sides():
    geometry = oriented((1, 2, 0), (-1, 1, 1))
    assert geometry.spacing_mm == pytest.approx((0.7, 1.1, 3.0))
    assert geometry.voxel_size == pytest.approx(0.7 * 1.1 * 3.0)


def test_obliqueness_and_shear_are_told_apart():
    straight = Geometry.from_spacing((4, 4, 4), (1, 1, 2))
    assert (straight.oblique, straight.orthogonal) == (False, True)
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler("x", 5, degrees=True).as_matrix()
    assert (Geometry((4, 4, 4), turned).oblique, Geometry((4, 4, 4), turned).orthogonal) == (True, True)
    sheared = np.eye(4)
    sheared[0, 2] = 0.1
    assert not Geometry((4, 4, 4), sheared).orthogonal


@pytest.mark.parametrize(
    ("spacing", "axis"),
    [
        ((1, 1, 5), 2), ((5, 1, 1), 0), ((1, 1, 1), 2), ((1, 1.00001, 1), 2), ((1.00001, 1, 1), 2),
        ((5.47, 5.47, 3.27), 2), ((0.6, 0.98, 0.98), 0), ((0.8, 0.9, 5), 2), ((1, 2, 4), 2),
    ],
)  # fmt: skip
def test_slices_have_square_pixels_and_may_be_thin(spacing, axis):
    assert Geometry.from_spacing((4, 4, 4), spacing).acquisition_axis == axis


def test_slices_of_cubes_are_axial_in_whatever_order_the_array_is():
    for order in permutations(range(3)):
        affine = np.eye(4)
        affine[:3, :3] = np.eye(3)[:, order] * (-2, 2, 2)
        assert Geometry((4, 4, 4), affine).acquisition_axis == order.index(2)


def test_grids_are_one_within_a_tenth_of_a_micrometre():
    geometry = Geometry.from_spacing(SHAPE, (1, 1, 1))
    shifted = geometry.affine.copy()
    shifted[0, 3] += 5e-5
    assert geometry.same_as(Geometry(SHAPE, shifted))
    shifted[0, 3] += 1e-3
    assert not geometry.same_as(Geometry(SHAPE, shifted))
    assert not geometry.same_as(Geometry.from_spacing((5, 6, 8), (1, 1, 1)))


def test_a_small_turn_counts_by_the_corner_it_moves_most():
    geometry = Geometry.from_spacing((101, 101, 101), (1, 1, 1))
    turned = geometry.affine.copy()
    turned[:3, :3] = Rotation.from_euler("z", 1e-4).as_matrix()
    assert geometry.displacement_mm(Geometry(geometry.shape, turned)) == pytest.approx(
        1e-4 * np.hypot(100, 100), rel=1e-3
    )


def test_unknown_spacing_is_not_one_millimetre():
    picture = Geometry.from_spacing((40, 30), None)
    assert (picture.spacing_known, picture.voxel_size, picture.step) == (False, 1.0, (1.0, 1.0))
    with pytest.raises(UnknownSpacingError, match="pixels"):
        _ = picture.spacing_mm
    assert "unknown" in picture.describe()


def test_a_radiograph_has_no_patient_space():
    radiograph = Geometry.from_spacing((40, 30), (0.2, 0.2), source="PixelSpacing")
    assert radiograph.orientation == ""
    assert radiograph.to_canonical.identity
    assert radiograph.voxel_size == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        ((4, 4, 4), np.diag([1, 1, 0, 1.0])),
        ((4, 4, 4), np.diag([1, np.nan, 1, 1.0])),
        ((4, 4, 4), np.eye(3)),
        ((4, 0, 4), np.eye(4)),
        ((4,), np.eye(2)),
    ],
    ids=["flat axis", "not a number", "2D affine", "no voxel", "one axis"],
)
def test_what_is_no_grid_is_refused(shape, affine):
    with pytest.raises(GeometryError):
        Geometry(shape, affine)


def test_an_affine_cannot_be_changed_behind_the_grid():
    mine = np.eye(4)
    geometry = Geometry(SHAPE, mine)
    mine[0, 0] = 9
    assert geometry.affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        geometry.affine[0, 0] = 9
