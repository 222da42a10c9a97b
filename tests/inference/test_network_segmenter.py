"""A network segments on the image's own grid, whatever that is."""

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_2d, plan_3d, untrained_model

import medseg
from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.segmenter import Segmenter


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return medseg.load_model(untrained_model(tmp_path_factory.mktemp("model"), plan_3d(crop_above=0.0)))


@settings(max_examples=15, deadline=None)
@given(
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    st.floats(-0.6, 0.6),
    st.tuples(*[st.floats(0.6, 3.0)] * 3),
    st.tuples(*[st.integers(1, 24)] * 3),
)
def test_a_written_mask_has_exactly_the_grid_of_its_image(
    model, tmp_path_factory, permutation, signs, angle, spacing, shape
):
    c, s = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])[:, permutation] * signs * spacing
    affine[:3, 3] = (-91.3, 17.2, 3.9)
    folder = tmp_path_factory.mktemp("scan")
    voxels = np.random.default_rng(0).normal(50, 9, shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / "scan.nii.gz")
    segmentation = model.segment(folder / "scan.nii.gz")
    medseg.write_mask(folder / "mask.nii.gz", segmentation)
    before, after = nibabel.load(folder / "scan.nii.gz"), nibabel.load(folder / "mask.nii.gz")
    assert after.shape == before.shape
    assert np.array_equal(after.affine, before.affine)
    assert after.header["sform_code"] == before.header["sform_code"]


def test_it_is_a_segmenter_and_repeats_itself(model):
    image = Image(
        np.random.default_rng(1).normal(50, 9, (1, 20, 18, 16)), Geometry.from_spacing((20, 18, 16), (1, 1, 2))
    )
    assert isinstance(model, Segmenter)
    one, two = model.segment(image), model.segment(image, probabilities=True)
    assert np.array_equal(one.mask, two.mask)
    assert two.probabilities.shape == (2, 20, 18, 16)
    assert 0 <= two.probabilities.min() <= two.probabilities.max() <= 1
    assert one.of("a").sum() == (one.mask == 1).sum()


def test_the_way_an_array_is_stored_does_not_change_the_mask(model):
    voxels = np.random.default_rng(2).normal(50, 9, (1, 20, 18, 16)).astype(np.float32)
    geometry = Geometry.from_spacing((20, 18, 16), (1, 1, 1))
    flipped = np.diag([-1.0, 1.0, -1.0, 1.0])
    flipped[:3, 3] = (19, 0, 15)
    turned = Image(voxels[:, ::-1, :, ::-1], Geometry((20, 18, 16), flipped))
    straight = model.segment(Image(voxels, geometry)).mask
    assert np.array_equal(model.segment(turned).mask[::-1, :, ::-1], straight)


def test_a_very_different_spacing_is_noted_with_numbers(model):
    image = Image(np.ones((1, 8, 8, 4), np.float32), Geometry.from_spacing((8, 8, 4), (1, 1, 9)))
    assert any("9.0" in note for note in model.segment(image).notes)


def test_non_finite_voxels_are_noted(model):
    voxels = np.full((1, 10, 10, 10), np.nan, np.float32)
    voxels[0, :5] = 3
    image = Image(voxels, Geometry.from_spacing((10, 10, 10), (1, 1, 1)))
    assert any("non-finite" in note for note in model.segment(image).notes)


def test_a_radiograph_is_refused_by_a_3d_model_and_the_reverse(model, tmp_path):
    flat = Image(np.zeros((1, 9, 9)), Geometry.from_spacing((9, 9), None))
    with pytest.raises(InputError, match="is 2D"):
        model.segment(flat)
    lungs = medseg.load_model(untrained_model(tmp_path, plan_2d()))
    with pytest.raises(InputError, match="is 3D"):
        lungs.segment(Image(np.zeros((1, 9, 9, 9)), Geometry.from_spacing((9, 9, 9), (1, 1, 1))))
    segmentation = lungs.segment(flat)
    assert segmentation.mask.shape == (9, 9)
    assert "the image is constant" in segmentation.notes


def test_a_notebook_shows_what_the_model_is(model):
    assert "a, b" in model._repr_html_()
