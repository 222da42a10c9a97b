"""What the user is told of an image that a model was not made for."""

import numpy as np
import pytest
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.inference.doubts import doubts, is_constant
from medseg.transforms.planes import open_planes


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return medseg.load_model(untrained_model(tmp_path_factory.mktemp("model"), plan_3d()), device="cpu")


def noise(shape, spacing=(1, 1, 1), modality="MR"):
    voxels = np.random.default_rng(0).normal(50, 9, (1, *shape)).astype(np.float32)
    return Image(voxels, Geometry.from_spacing(shape, spacing), modality)


def test_nothing_is_said_of_an_image_as_in_training():
    assert doubts(noise((20, 20, 20)), plan_3d()) == []


def test_a_single_slice_is_segmented_by_a_3d_model_and_noted(model):
    segmentation = model.segment(noise((20, 18, 1)))
    assert segmentation.mask.shape == (20, 18, 1)
    assert any("single slice" in note for note in segmentation.notes)


def test_a_volume_much_smaller_than_the_patch_is_noted_with_both_sizes(model):
    segmentation = model.segment(noise((20, 18, 6)))
    assert any("20×18×6" in note and "16×16×16" in note for note in segmentation.notes)
    assert doubts(noise((20, 18, 9)), plan_3d()) == []  # as in training now and then


def test_voxels_that_are_not_numbers_are_counted_in_every_channel():
    image = noise((10, 10, 10))
    two = np.concatenate([image.voxels, image.voxels])
    two[1, 3, 4, 5:7] = np.nan
    two[1, 0, 0, 0] = np.inf
    assert any("3 non-finite voxels (0.15%)" in told for told in doubts(Image(two, image.geometry, "MR"), plan_3d()))


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan])
def test_a_constant_image_gives_an_empty_mask_and_is_noted(model, value):
    image = Image(np.full((1, 20, 20, 20), value, np.float32), Geometry.from_spacing((20, 20, 20), (1, 1, 1)))
    segmentation = model.segment(image, probabilities=True)
    assert not segmentation.mask.any()
    assert not segmentation.probabilities.any()
    assert {"the image is constant", "nothing was found"} <= set(segmentation.notes)


def test_one_voxel_or_one_channel_makes_an_image_not_constant():
    voxels = np.zeros((2, 9, 9, 9), np.int16)
    voxels[1, 8, 8, 8] = 1
    assert not is_constant(Image(voxels, Geometry.from_spacing((9, 9, 9), (1, 1, 1))))
    assert is_constant(Image(voxels[:1], Geometry.from_spacing((9, 9, 9), (1, 1, 1))))


@pytest.mark.parametrize(("spacing", "told"), [((1, 1, 9), "9.0"), ((0.1, 0.1, 1), "0.1"), ((2, 2, 3.9), None)])
def test_a_spacing_far_from_that_of_training_is_told_with_numbers(spacing, told):
    found = [word for word in doubts(noise((80, 80, 40), spacing), plan_3d()) if word.startswith("spacing")]
    assert bool(found) == (told is not None)
    assert told is None or told in found[0]


def test_another_modality_is_told():
    assert any("is CT" in told for told in doubts(noise((20, 20, 20), modality="CT"), plan_3d()))


def test_a_picture_of_unknown_spacing_has_no_extent_to_compare():
    image = Image(np.eye(40, dtype=np.uint8)[None], Geometry.from_spacing((40, 40), None))
    assert doubts(image, plan_2d()) == []
    with pytest.raises(InputError, match="spacing is unknown"):
        open_planes(image, plan_2d(spacing_mm=(1.0, 1.0), longest_side=None))
