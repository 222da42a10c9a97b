"""From native grid to network grid and back, exactly."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_2d, plan_3d
from restored import restored

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.plan import Normalisation
from medseg.transforms.normalise import normalise
from medseg.transforms.prepare import prepare, prepare_labels
from medseg.transforms.resize import resize


def rotated(angle: float, spacing: tuple[float, float, float], permutation, signs) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.eye(3)[:, permutation] @ np.diag(np.array(signs) * spacing)
    affine[:3, 3] = (12.3, -40.1, 7.7)
    return affine


def one_hot(indices: np.ndarray, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(torch.from_numpy(indices).long(), classes).movedim(-1, 0).float()


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-0.5, 0.5),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.integers(0, 2**32 - 1),
)
def test_labels_return_unchanged_from_any_orientation(angle, permutation, signs, seed):
    rng = np.random.default_rng(seed)
    geometry = Geometry((7, 9, 5), rotated(angle, (1.2, 0.8, 3.0), permutation, signs))
    mask = rng.integers(0, 3, geometry.shape).astype(np.uint8)
    image = Image(rng.normal(100, 10, (1, *geometry.shape)), geometry)
    native = tuple(float(s) for s in geometry.reoriented(geometry.to_canonical).step)
    prepared = prepare(image, plan_3d(spacing_mm=native))
    working = prepare_labels(mask, prepared.restoration)
    back, _ = restored(one_hot(working.numpy(), 3), prepared.restoration)
    assert np.array_equal(back, mask)


def test_a_smooth_mask_survives_another_spacing_on_an_oblique_grid():
    geometry = Geometry((40, 30, 20), rotated(0.3, (0.7, 0.9, 2.5), [2, 0, 1], (-1, 1, -1)))
    centre = np.array(geometry.shape)[:, None, None, None] / 2
    distance = ((np.indices(geometry.shape) - centre) * np.array(geometry.step)[:, None, None, None]) ** 2
    mask = (distance.sum(0) < 9**2).astype(np.uint8)
    prepared = prepare(Image(mask[None].astype(np.float32) + 1, geometry), plan_3d())
    working = prepare_labels(mask, prepared.restoration)
    assert prepared.voxels.shape[1:] == working.shape == prepared.restoration.working_shape
    back, shares = restored(one_hot(working.numpy(), 3) * 20, prepared.restoration, probabilities=True)
    dice = 2 * (back & mask).sum() / (back.sum() + mask.sum())
    assert dice > 0.95
    assert shares.shape == (2, *geometry.shape)
    assert ((shares[0] > 0.5) == (back == 1)).all()


def test_cropping_to_the_body_changes_no_intensity_and_no_place():
    geometry = Geometry.from_spacing((30, 30, 30), (1.0, 1.0, 1.0))
    voxels = np.zeros((1, 30, 30, 30), np.float32)
    voxels[0, 8:20, 10:22, 9:18] = np.random.default_rng(0).uniform(50, 100, (12, 12, 9))
    image = Image(voxels, geometry)
    whole = prepare(image, plan_3d(crop_above=0.0), crop=False)
    cropped = prepare(image, plan_3d(crop_above=0.0))
    assert cropped.voxels.shape[1:] == (20, 20, 17)
    assert torch.equal(cropped.voxels, whole.voxels[(slice(None), *cropped.restoration.box)])
    back, _ = restored(one_hot(np.ones(cropped.voxels.shape[1:], np.uint8), 3), cropped.restoration)
    assert back.shape == (30, 30, 30)
    assert back.sum() == 20 * 20 * 17


def test_an_empty_body_is_not_cropped_away():
    image = Image(np.zeros((1, 8, 8, 8), np.float32), Geometry.from_spacing((8, 8, 8), (1.0, 1.0, 1.0)))
    assert prepare(image, plan_3d(crop_above=0.0)).voxels.shape == (1, 8, 8, 8)


def test_non_finite_voxels_become_finite():
    voxels = np.full((1, 8, 8, 8), np.nan, np.float32)
    voxels[0, 2:6] = 7
    voxels[0, 3, 3, 3] = np.inf
    image = Image(voxels, Geometry.from_spacing((8, 8, 8), (1.0, 1.0, 1.0)))
    assert torch.isfinite(prepare(image, plan_3d()).voxels).all()


def test_radiographs_of_unknown_spacing_are_planned_in_pixels():
    plan = plan_2d(longest_side=64)
    image = Image(np.random.default_rng(0).uniform(0, 4095, (1, 200, 100)), Geometry.from_spacing((200, 100), None))
    prepared = prepare(image, plan)
    assert prepared.voxels.shape == (1, 64, 32)
    assert prepared.voxels.min() >= -1
    assert prepared.voxels.max() <= 1


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (Image(np.zeros((1, 8, 8)), Geometry.from_spacing((8, 8), None)), "is 2D"),
        (Image(np.zeros((2, 8, 8, 8)), Geometry.from_spacing((8, 8, 8), (1, 1, 1))), "has 2 channel"),
        (Image(np.zeros((1, 8, 8, 8)), Geometry.from_spacing((8, 8, 8), None)), "spacing is unknown"),
    ],
)
def test_an_image_that_does_not_fit_the_plan_is_refused(image, found):
    with pytest.raises(InputError, match=found):
        prepare(image, plan_3d())


def test_ct_is_clipped_and_scaled_by_the_training_labels():
    ct = Normalisation(method="ct", lower=-100, upper=200, mean=50, sd=25)
    scaled = normalise(torch.tensor([[[[-1000.0, 50.0, 75.0, 3000.0]]]]), [ct])
    assert torch.allclose(scaled.flatten(), torch.tensor([-6.0, 0.0, 1.0, 6.0]))


def test_zscore_is_of_the_non_zero_voxels():
    voxels = torch.zeros(1, 4, 4, 4)
    voxels[0, :2] = torch.arange(32.0).reshape(2, 4, 4) + 10
    scaled = normalise(voxels, [Normalisation(method="zscore")])[0, :2]
    assert abs(float(scaled.mean())) < 1e-6
    assert abs(float(scaled.std(correction=0)) - 1) < 1e-6


def test_resizing_keeps_the_extent():
    ramp = torch.arange(8.0).reshape(1, 8, 1, 1).expand(1, 8, 4, 4) + 0.5  # the position of each voxel centre
    smaller = resize(ramp, (4, 4, 4))[0, :, 0, 0]
    assert torch.allclose(smaller, torch.tensor([1.0, 3.0, 5.0, 7.0]))
