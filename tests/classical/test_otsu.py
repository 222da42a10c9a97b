"""Otsu's threshold as a segmenter."""

import numpy as np
import pytest

from medseg.classical import Otsu
from medseg.errors import LabelError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.labels import Labels
from medseg.segmenter import Segmenter


def image(voxels: np.ndarray) -> Image:
    return Image(voxels[np.newaxis], Geometry.from_spacing(voxels.shape, (1.0,) * voxels.ndim))


def two_levels(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    bright = np.zeros(shape, bool)
    bright[tuple(slice(2, 6) for _n in shape)] = True
    noise = np.random.default_rng(0).normal(0, 5, shape)
    return np.where(bright, 200, 100) + noise, bright


@pytest.mark.parametrize("shape", [(12, 10), (12, 10, 9)])
def test_two_levels_are_told_apart(shape):
    voxels, bright = two_levels(shape)
    found = Otsu().segment(image(voxels))
    np.testing.assert_array_equal(found.mask, bright)
    assert found.labels.names == ("foreground",)


def test_dark_structures_are_found_when_asked_and_written_in_their_file_value():
    voxels, bright = two_levels((12, 10))
    found = Otsu(bright=False, labels=Labels.from_config({"lung": 255})).segment(image(voxels), probabilities=True)
    np.testing.assert_array_equal(found.mask == 255, ~bright)
    assert found.probabilities.shape == (1, 12, 10)
    np.testing.assert_array_equal(found.probabilities[0] == 1, ~bright)


def test_the_threshold_is_that_of_scikit_image():
    from skimage.filters import threshold_otsu

    voxels = np.random.default_rng(3).gamma(2, 30, (40, 40, 10)).astype(np.float32)
    bin_width = (voxels.max() - voxels.min()) / 256
    assert abs(Otsu.threshold(voxels) - threshold_otsu(voxels)) <= bin_width


@pytest.mark.parametrize("value", [7, np.nan])
def test_an_image_without_contrast_gives_an_empty_mask_and_says_so(value):
    found = Otsu().segment(image(np.full((5, 5), value, np.float32)))
    assert not found.mask.any()
    assert "no threshold" in found.notes[0]


def test_voxels_that_are_not_finite_are_background():
    voxels = two_levels((12, 10))[0]
    voxels[3, 3], voxels[4, 4] = np.nan, np.inf
    mask = Otsu().segment(image(voxels)).mask
    assert mask[3, 3] == mask[4, 4] == 0


def test_it_is_a_segmenter_of_one_label():
    assert isinstance(Otsu(), Segmenter)
    with pytest.raises(LabelError, match="one label"):
        Otsu(labels=Labels.from_config({"a": 1, "b": 2}))


def test_probabilities_may_go_to_a_file(tmp_path):
    voxels = np.zeros((1, 6, 5), np.int16)
    voxels[0, 2:4] = 100
    given = Image(voxels, Geometry.from_spacing((6, 5), (1.0, 1.0)))
    found = Otsu().segment(given, probabilities=tmp_path / "shares.npy")
    assert np.array_equal(np.load(tmp_path / "shares.npy")[0], found.mask)
