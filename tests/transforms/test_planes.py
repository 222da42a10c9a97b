"""Planes made when they are asked for are those of the image prepared as a whole."""

from itertools import permutations, product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_2d, plan_3d
from scipy.ndimage import map_coordinates
from skimage.transform import resize as skimage_resize

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.plan import Normalisation
from medseg.transforms.planes import WholePlanes, open_planes
from medseg.transforms.pointwise import Pointwise
from medseg.transforms.prepare import Restoration, prepare
from medseg.transforms.slab_planes import SlabPlanes

NORMALISATIONS = (
    Normalisation(method="zscore"),
    Normalisation(method="ct", lower=-150, upper=250, mean=40, sd=80),
    Normalisation(method="percentile", lower=2, upper=99.5),
)
TURNS = [(axes, signs) for axes in permutations(range(3)) for signs in product((-1, 1), repeat=3)]


def image_of(shape, spacing, turn, dtype, seed, channels=1):
    axes, signs = turn
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, axes] * signs * spacing
    rng = np.random.default_rng(seed)
    voxels = rng.normal(30, 200, (channels, *shape)).round(1)
    voxels[rng.random(voxels.shape) < 0.3] = 0
    voxels[:, : shape[0] // 3] = min(0, voxels.min())  # air
    return Image(np.asarray(voxels.astype(dtype), order="F" if seed % 2 else "C"), Geometry(shape, affine))


def check(planes, whole, axis, cuts):
    """Read forward in overlapping runs, and compare."""
    for start, stop in cuts:
        read = planes.read(axis, start, stop)
        assert read.dtype == torch.float32
        torch.testing.assert_close(read, whole.narrow(1 + axis, start, stop - start), atol=1e-4, rtol=0)


sides = st.tuples(*[st.integers(1, 30)] * 3)
steps = st.tuples(*[st.sampled_from([0.6, 0.8, 1.0, 1.3, 2.2, 5.0])] * 3)


@settings(max_examples=80, deadline=None)
@given(
    sides, steps, st.sampled_from(TURNS), st.sampled_from(["int16", "float32", "uint8", "float64"]),
    st.sampled_from(["linear", "cubic"]), st.sampled_from([None, 20.0]),
    st.tuples(*[st.sampled_from(NORMALISATIONS)] * 2), st.integers(0, 2),
    st.integers(1, 9), st.integers(0, 4), st.integers(0, 999),
)  # fmt: skip
def test_planes_are_those_of_the_whole(shape, spacing, turn, dtype, how, above, rules, axis, run, overlap, seed):
    image = image_of(shape, spacing, turn, dtype, seed, channels=2)
    plan = plan_3d(channels=("a", "b"), normalisation=rules, resampling=how, crop_above=above)
    prepared, planes = prepare(image, plan), open_planes(image, plan)
    assert isinstance(planes, SlabPlanes)
    assert (planes.shape, planes.channels) == (tuple(prepared.voxels.shape[1:]), 2)
    assert planes.restoration.box == prepared.restoration.box
    assert planes.restoration.turn == prepared.restoration.turn
    deep = planes.shape[axis]
    check(planes, prepared.voxels, axis, [(max(0, i - overlap), min(deep, i + run)) for i in range(0, deep, run)])
    check(planes, prepared.voxels, axis, [(0, deep), (deep - 1, deep), (0, 1)])


def test_what_is_not_finite_counts_as_0():
    image = image_of((9, 8, 7), (1, 1, 2), TURNS[5], "float32", 3)
    image.voxels[0, 4, 2:5] = [[np.nan], [np.inf], [-np.inf]]
    for rule in NORMALISATIONS:
        plan = plan_3d(normalisation=(rule,), resampling="cubic", crop_above=-1.0)
        check(open_planes(image, plan), prepare(image, plan).voxels, 2, [(0, 5), (3, 9)])


@pytest.mark.parametrize("value", [0, 7])
def test_a_constant_image_stays_constant(value):
    image = Image(np.full((1, 6, 7, 8), value, np.int16), Geometry.from_spacing((6, 7, 8), (1, 1, 2)))
    for rule in NORMALISATIONS:
        plan = plan_3d(normalisation=(rule,), crop_above=100.0)
        check(open_planes(image, plan), prepare(image, plan).voxels, 0, [(0, 6)])


def test_where_the_percentiles_are_one_value_the_rest_is_only_shifted():
    voxels = np.full((1, 20, 20, 20), 3, np.int16)
    voxels[0, 4, 4, 4] = 900
    image, plan = (
        Image(voxels, Geometry.from_spacing((20, 20, 20), (1, 1, 1))),
        plan_3d(normalisation=NORMALISATIONS[2:]),
    )
    check(open_planes(image, plan), prepare(image, plan).voxels, 0, [(0, 9)])


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("deep", [9, 14, 5])
def test_thick_slices_by_the_nearest_are_nnunets(axis, deep):
    voxels, wanted = np.random.default_rng(0).normal(0, 100, (30, 26, 9)).astype(np.float32), (21, 33, deep)
    geometry = Geometry.from_spacing((30, 26, 9), (1, 1, 5))
    way = Restoration(geometry, geometry.to_canonical, tuple(slice(0, n) for n in geometry.shape), wanted)
    planes = SlabPlanes(voxels[None], way, [Pointwise(mean=3, sd=2)], (3, 3, 0))
    scaled = (np.moveaxis(voxels, 2, 0).astype(float) - 3) / 2
    slices = [skimage_resize(one, wanted[:2], 3, mode="edge", anti_aliasing=False) for one in scaled]
    grid = np.meshgrid(np.arange(21), np.arange(33), (np.arange(deep) + 0.5) * 9 / deep - 0.5, indexing="ij")
    peer = map_coordinates(np.stack(slices, 2), grid, order=0, mode="nearest")
    check(planes, torch.from_numpy(peer[None]).float(), axis, [(0, 3), (2, 5)])


def test_pictures_and_plans_with_steps_are_prepared_as_a_whole():
    picture = Image(np.random.default_rng(0).uniform(0, 99, (1, 60, 40)), Geometry.from_spacing((60, 40), None))
    planes = open_planes(picture, plan_2d())
    assert isinstance(planes, WholePlanes)
    assert torch.equal(planes.read(1, 3, 9), prepare(picture, plan_2d()).voxels[..., 3:9])
    assert (planes.shape, planes.channels, planes.notes) == ((48, 32), 1, ())
    with pytest.raises(InputError, match="2D"):
        open_planes(picture, plan_3d())
