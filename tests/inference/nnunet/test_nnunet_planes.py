"""nnU-Net's preparation plane by plane, against scikit-image and NumPy on whole volumes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_fill_holes, gaussian_filter
from skimage.transform import resize

from medseg.errors import InputError, ModelFolderError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.nnunet.normalising import rule_of
from medseg.inference.nnunet.plans import Intensities
from medseg.inference.nnunet.preparing import Recipe, open_planes
from medseg.inference.nnunet.resampling import nearest_planes, resampling_of

WHERE = Path("plans.json")
TRAINED = Intensities(mean=20, std=60, percentile_00_5=-90, percentile_99_5=140)
DEFAULT = resampling_of("resample_data_or_seg_to_shape", {"order": 3}, WHERE)
TORCH = resampling_of("resample_torch_fornnunet", {}, WHERE)


def recipe(scheme="CTNormalization", *, spacing=(4.0, 1.2, 1.1), masked=False, resampling=DEFAULT, **changes):
    rule = rule_of(scheme, masked, TRAINED, WHERE)
    fields = {"dims": len(spacing), "channels": ("CT",), "reader": "stored", "transpose": (0, 1, 2)}
    return Recipe(**(fields | changes), spacing=spacing, rules=(rule,), resampling=resampling)


def blob_image(shape=(20, 18, 12), spacing=(1.0, 1.0, 3.3), *, offset=0.0, seed=0):
    """Smooth noise, 0 at the low ends of all axes and in a hole inside."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.5) * 600 + offset
    noise[:2] = noise[:, :1] = noise[:, :, :3] = 0
    noise[8:11, 8:11, 6:8] = 0
    return Image(noise[None].astype(np.float32), Geometry.from_spacing(shape, spacing))


def whole(planes, axis=0, step=5):
    n = planes.shape[axis]
    return torch.cat([planes.read(axis, i, min(i + step, n)) for i in range(0, n, step)], 1 + axis).numpy()


def ct(voxels):
    return (np.clip(voxels, -90, 140) - 20) / 60


def resized(voxels, shape, order):
    return resize(voxels.astype(float), shape, order, mode="edge", anti_aliasing=False)


def test_thick_slices_are_resized_one_by_one_and_the_nearest_repeated():
    image = blob_image()
    planes = open_planes(image, recipe())
    kept = ct(image.voxels[0].T[3:, 1:, 2:])
    shape = tuple(round(n * f) for n, f in zip(kept.shape, (3.3 / 4, 1 / 1.2, 1 / 1.1), strict=True))
    slices = np.stack([resized(one, shape[1:], 3) for one in kept])
    nearest = [int((i + 0.5) * kept.shape[0] / shape[0]) for i in range(shape[0])]
    assert planes.shape == shape
    for axis in range(3):
        assert np.allclose(whole(planes, axis), slices[nearest][None], atol=2e-5)


def test_grids_of_even_spacing_are_resized_as_volumes():
    image = blob_image(spacing=(1.0, 1.1, 1.3))
    planes = open_planes(image, recipe(spacing=(1.0, 1.0, 1.0)))
    kept = ct(image.voxels[0].T[3:, 1:, 2:])
    assert np.allclose(whole(planes)[0], resized(kept, planes.shape, 3), atol=2e-5)


def test_the_torch_resampler_is_linear_and_does_not_smooth():
    image = blob_image(spacing=(1.0, 1.1, 1.3))
    planes = open_planes(image, recipe(spacing=(2.0, 2.0, 2.0), resampling=TORCH))
    kept = ct(image.voxels[0].T[3:, 1:, 2:])
    assert np.allclose(whole(planes)[0], resized(kept, planes.shape, 1), atol=2e-5)


def test_the_body_alone_is_normalised_where_the_plans_say_so():
    image = blob_image(offset=300.0)
    planes = open_planes(image, recipe("ZScoreNormalization", spacing=(3.3, 1.0, 1.0), masked=True))
    kept = image.voxels[0].T[3:, 1:, 2:].astype(float)
    body = binary_fill_holes(kept != 0)
    expected = np.where(body, (kept - kept[body].mean()) / kept[body].std(), 0)
    assert np.allclose(whole(planes)[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("ZScoreNormalization", lambda v: (v - v.mean()) / v.std()),
        ("NoNormalization", lambda v: v),
        ("RescaleTo01Normalization", lambda v: (v - v.min()) / (v.max() - v.min())),
        ("RGBTo01Normalization", lambda v: v / 255),
        ("CTNormalization", ct),
    ],
)
def test_normalisations_are_those_of_their_names(scheme, expected):
    voxels = np.random.default_rng(1).integers(1, 255, (1, 6, 5, 4)).astype(np.uint8)
    image = Image(voxels, Geometry.from_spacing((6, 5, 4), (1.1, 1.2, 4.0)))
    planes = open_planes(image, recipe(scheme, spacing=(4.0, 1.2, 1.1)))
    assert np.allclose(whole(planes)[0], expected(voxels[0].T.astype(float)), atol=1e-5)


def test_unknown_normalisations_and_values_that_are_no_colours_are_refused():
    with pytest.raises(ModelFolderError, match="MyNormalization"):
        rule_of("MyNormalization", False, None, WHERE)
    with pytest.raises(ModelFolderError, match="intensities"):
        rule_of("CTNormalization", False, None, WHERE)
    with pytest.raises(InputError, match="0 to 255"):
        open_planes(blob_image(), recipe("RGBTo01Normalization"))


def test_axes_are_those_of_the_file_unless_the_reader_turned_them():
    image = blob_image()
    flipped = Image(image.voxels[:, ::-1].copy(), image.geometry)
    left = Geometry(image.geometry.shape, np.diag([-1.0, 1.0, 3.3, 1.0]))
    mirrored = Image(flipped.voxels, left)
    stored, turned = (open_planes(mirrored, recipe(reader=reader)) for reader in ("stored", "canonical"))
    assert np.allclose(whole(stored), whole(open_planes(flipped, recipe())))
    assert np.allclose(whole(turned), whole(open_planes(image, recipe())))


@given(st.integers(0, 2), st.integers(1, 20), st.permutations([0, 1, 2]), st.sampled_from([DEFAULT, TORCH]))
@settings(max_examples=25, deadline=None)
def test_planes_do_not_depend_on_how_they_are_read(axis, step, transpose, resampling):
    image = blob_image(shape=(11, 13, 9))
    given = recipe(transpose=tuple(transpose), resampling=resampling)
    planes, again = open_planes(image, given), open_planes(image, given)
    assert np.allclose(whole(planes, axis, step), whole(again, 0, 99), atol=1e-5)


def test_what_is_not_a_number_counts_as_0_and_an_empty_image_stays_whole():
    image = blob_image()
    image.voxels[0, 10, 10, 10] = np.nan
    assert np.isfinite(whole(open_planes(image, recipe("ZScoreNormalization")))).all()
    empty = Image(np.zeros((1, 6, 5, 4), np.int16), Geometry.from_spacing((6, 5, 4), (1.1, 1.2, 4.0)))
    planes = open_planes(empty, recipe("ZScoreNormalization"))
    assert planes.shape == (4, 5, 6)
    assert not whole(planes).any()


@pytest.mark.parametrize(
    ("image", "given", "message"),
    [
        (Image(np.ones((2, 4, 4, 4)), Geometry.from_spacing((4, 4, 4), (1, 1, 1))), recipe(), "2 channel"),
        (Image(np.ones((1, 4, 4)), Geometry.from_spacing((4, 4), (1, 1))), recipe(), "2D"),
        (blob_image(), recipe(spacing=(1.0, 1.0), reader="picture"), "3D"),
        (Image(np.ones((1, 4, 4, 4)), Geometry.from_spacing((4, 4, 4), None)), recipe(), "spacing is unknown"),
    ],
)
def test_images_that_the_model_cannot_take_are_refused(image, given, message):
    with pytest.raises(InputError, match=message):
        open_planes(image, given)


def test_the_nearest_plane_is_that_of_either_library():
    assert nearest_planes(4, 2, False).tolist() == [1, 3]
    assert nearest_planes(4, 2, True).tolist() == [1, 3]
    assert nearest_planes(3, 7, False).tolist() == nearest_planes(3, 7, True).tolist() == [0, 0, 1, 1, 1, 2, 2]
