"""Cubic resampling is scipy's and scikit-image's, and nnU-Net's where its slices are not thick."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_3d
from scipy.ndimage import map_coordinates, zoom
from skimage.transform import resize as skimage_resize

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.transforms.prepare import prepare
from medseg.transforms.resize import resize
from medseg.transforms.splines import spline_orders, spline_resize

sides = st.tuples(*[st.integers(1, 40)] * 3)


def volume(shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(40, 300, shape).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(sides, sides, st.integers(0, 99))
def test_volumes_are_as_scipy_and_scikit_image_give_them(shape, wanted, seed):
    voxels = volume(shape, seed)
    ours = spline_resize(torch.from_numpy(voxels)[None], wanted, (3, 3, 3))[0].numpy()
    factors = [new / old for new, old in zip(wanted, shape, strict=True)]
    scipys = zoom(voxels.astype(float), factors, order=3, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(ours, np.clip(scipys, voxels.min(), voxels.max()), atol=1e-3)
    if min(shape) > 1:
        peer = skimage_resize(voxels.astype(float), wanted, 3, mode="edge", anti_aliasing=False, preserve_range=True)
        np.testing.assert_allclose(ours, peer, atol=1e-3)


def test_many_voxels_along_an_axis_are_done_in_blocks():
    voxels = volume((3, 4, 400))
    ours = spline_resize(torch.from_numpy(voxels)[None], (3, 4, 251), (3, 3, 3))[0].numpy()
    scipys = zoom(voxels.astype(float), (1, 1, 251 / 400), order=3, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(ours, np.clip(scipys, voxels.min(), voxels.max()), atol=1e-3)


def test_thick_slices_are_cubic_in_the_plane_as_in_nnunet_and_linear_across():
    voxels, wanted = volume((30, 26, 9)), (21, 33, 14)
    orders = spline_orders((0.8, 0.8, 5.0), (1.1, 0.6, 3.2), 3)
    assert orders == (3, 3, 1)
    ours = spline_resize(torch.from_numpy(voxels)[None], wanted, orders)[0].numpy()
    slices = [
        skimage_resize(piece.astype(float), wanted[:2], 3, mode="edge", anti_aliasing=False, clip=False)
        for piece in np.moveaxis(voxels, 2, 0)
    ]
    centres = (np.arange(14) + 0.5) * 9 / 14 - 0.5
    grid = np.meshgrid(np.arange(21), np.arange(33), centres, indexing="ij")
    across = map_coordinates(np.stack(slices, 2), grid, order=1, mode="nearest")
    np.testing.assert_allclose(ours, np.clip(across, voxels.min(), voxels.max()), atol=1e-3)


def test_order_1_is_what_labels_and_logits_get():
    voxels = torch.from_numpy(volume((2, 9, 14, 7)))
    ours, linear = spline_resize(voxels, (13, 8, 7), (1, 1, 1)), resize(voxels, (13, 8, 7))
    torch.testing.assert_close(ours, linear, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("native", "target", "orders"),
    [
        ((1, 1, 1), (2, 2, 2), (3, 3, 3)),
        ((1, 1, 3), (1, 1, 1), (3, 3, 3)),
        ((1, 1, 1), (1, 1, 4), (3, 3, 1)),
        ((5, 1, 1), (1, 1, 1), (1, 3, 3)),
        (None, None, (3, 3, 3)),
    ],
)
def test_more_than_three_times_the_finest_spacing_is_thick(native, target, orders):
    assert spline_orders(native, target, 3) == orders


def test_no_value_leaves_the_range_of_its_own_channel():
    edge = torch.zeros(2, 12, 12, 12)
    edge[0, 6:], edge[1, :, 6:] = 1, -1000
    resized = spline_resize(edge, (31, 17, 9), (3, 3, 3))
    assert [tuple(map(float, channel.aminmax())) for channel in resized] == [(0, 1), (-1000, 0)]


def test_an_image_on_the_grid_already_is_not_touched():
    voxels = torch.from_numpy(volume((1, 5, 6, 7)))
    assert spline_resize(voxels, (5, 6, 7), (3, 3, 3)) is voxels


def test_a_plan_says_whether_images_are_prepared_by_splines():
    image = Image(volume((1, 20, 24, 18)), Geometry.from_spacing((20, 24, 18), (1.5, 0.8, 1.2)))
    linear, cubic = (prepare(image, plan_3d(resampling=how)) for how in ("linear", "cubic"))
    assert linear.voxels.shape == cubic.voxels.shape == (1, 30, 19, 22)
    as_is = prepare(image, plan_3d(spacing_mm=(1.5, 0.8, 1.2))).voxels
    torch.testing.assert_close(cubic.voxels, spline_resize(as_is, (30, 19, 22), (3, 3, 3)))
    assert not torch.allclose(linear.voxels, cubic.voxels, atol=1e-2)
