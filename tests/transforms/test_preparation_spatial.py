"""What preparation moves comes back: crops and flips, through MONAI's inverse and through the restorer of slabs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data import MetaTensor
from monai.transforms import Compose
from plans import plan_2d, plan_3d
from restored import restored

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.transforms.preparation.channels import NOTES
from medseg.transforms.preparation.crop import CropToBreast
from medseg.transforms.preparation.laterality import NormaliseLaterality
from medseg.transforms.preparation.steps import checked_steps
from medseg.transforms.prepare import prepare, prepare_labels

SPATIAL = [
    "crop_to_breast",
    {"crop_to_breast": {"margin": 0.0}},
    "normalise_laterality",
    {"normalise_laterality": {"side": "right"}},
]
INTENSITY = ["remove_border", "remove_labels", "median_denoise"]


def half_ellipse(shape: tuple[int, ...], side: str, rng: np.random.Generator) -> np.ndarray:
    """A breast-like body at one end of axis 0, shape as given, float32."""
    grid = np.stack(np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij"))
    distance = (grid[0] / 0.6) ** 2 + sum(((axis - 0.5) / 0.35) ** 2 for axis in grid[1:])
    body = np.where(distance < 1, rng.uniform(90, 110, shape), rng.uniform(0, 5, shape)).astype(np.float32)
    return body if side == "left" else body[::-1].copy()


def one_hot(indices: torch.Tensor, classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(indices.long(), classes).movedim(-1, 0).float()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([*SPATIAL, *INTENSITY]), max_size=5),
    st.sampled_from(["left", "right"]),
    st.tuples(st.integers(12, 60), st.integers(12, 60)),
    st.integers(0, 2**32 - 1),
)
def test_a_radiographs_mask_returns_to_its_own_pixels(steps, side, shape, seed):
    rng = np.random.default_rng(seed)
    image = Image(half_ellipse(shape, side, rng)[None], Geometry.from_spacing(shape, (0.2, 0.2)))
    mask = rng.integers(0, 2, shape).astype(np.uint8)
    plan = plan_2d(preparation=checked_steps(steps), spacing_mm=(0.2, 0.2), longest_side=None)
    assert_returns(image, mask, plan)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.sampled_from(SPATIAL), min_size=1, max_size=3),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([-1, 1])] * 3),
    st.sampled_from([None, 20.0]),
    st.integers(0, 2**32 - 1),
)
def test_a_volumes_mask_returns_from_any_orientation_and_body_crop(steps, permutation, signs, above, seed):
    rng = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, permutation] @ np.diag(np.array(signs) * (0.7, 1.3, 2.9))
    affine[:3, 3] = (12.3, -40.1, 7.7)
    geometry = Geometry((22, 26, 18), affine)
    image = Image(half_ellipse(geometry.shape, "left", rng)[None], geometry)
    native = tuple(float(s) for s in geometry.reoriented(geometry.to_canonical).step)
    plan = plan_3d(preparation=checked_steps(steps), spacing_mm=native, crop_above=above)
    assert_returns(image, rng.integers(0, 3, geometry.shape).astype(np.uint8), plan)


def assert_returns(image: Image, mask: np.ndarray, plan) -> None:
    """Inside the box every class comes back to its pixel; outside all is background."""
    prepared = prepare(image, plan)
    working = prepare_labels(mask, prepared.restoration)
    assert working.shape == prepared.voxels.shape[1:]
    back, _ = restored(one_hot(working, 3), prepared.restoration)
    whole, _ = restored(one_hot(torch.ones_like(working), 3), prepared.restoration)
    assert whole.sum() == working.numel()
    assert np.array_equal(back, np.where(whole == 1, mask, 0))


def test_what_the_network_sees_lies_where_its_mask_lies():
    rng = np.random.default_rng(0)
    image = Image(half_ellipse((40, 50), "right", rng)[None], Geometry.from_spacing((40, 50), (0.2, 0.2)))
    steps = checked_steps(["crop_to_breast", "normalise_laterality"])
    prepared = prepare(image, plan_2d(preparation=steps, spacing_mm=(0.2, 0.2), longest_side=None))
    bright = prepare_labels((image.voxels[0] > 50).astype(np.uint8), prepared.restoration)
    assert torch.equal(prepared.voxels[0] > 0, bright == 1)
    assert bright[0].sum() > bright[-1].sum(), "the chest wall comes to lie at x = 0"


@pytest.mark.parametrize("shape", [(40, 50), (30, 26, 20)])
@pytest.mark.parametrize("step", [CropToBreast(), NormaliseLaterality(), NormaliseLaterality("right")])
@pytest.mark.parametrize("side", ["left", "right"])
def test_monai_inverts_each_step(shape, step, side):
    voxels = half_ellipse(shape, side, np.random.default_rng(0))[None]
    chain = Compose([step, NormaliseLaterality(), CropToBreast(margin=0.1)])
    image = MetaTensor(torch.from_numpy(voxels), affine=torch.diag(torch.tensor([0.5, 0.5, 0.5, 1.0])))
    done = chain(image)
    assert tuple(done.shape) != tuple(image.shape)
    back = chain.inverse(done)
    assert back.shape == image.shape
    assert torch.allclose(back.affine, image.affine)
    assert not back.applied_operations
    seen = back != 0
    assert torch.equal(back[seen].as_tensor(), image[seen].as_tensor())
    assert float(back.sum()) > 0.9 * float(image.sum())


@pytest.mark.parametrize("to", ["left", "right"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_every_breast_comes_to_lie_on_the_side_asked_for(side, to):
    voxels = half_ellipse((40, 50), side, np.random.default_rng(0))
    turned = np.asarray(NormaliseLaterality(to)(voxels[None]))[0]
    assert np.array_equal(turned, voxels if side == to else voxels[::-1])


def test_a_breast_in_a_padded_picture_is_judged_by_its_own_shape():
    breast = half_ellipse((40, 50), "left", np.random.default_rng(0))
    late = np.pad(breast[:30], ((70, 0), (0, 0)))  # the chest wall is in the middle of a wide picture, the tip right
    assert np.array_equal(np.asarray(NormaliseLaterality("left")(late[None]))[0], late)


@pytest.mark.parametrize("voxels", [np.zeros((1, 30, 20), np.float32), np.full((1, 1, 1), 7, np.float32)])
def test_where_there_is_no_breast_nothing_moves_and_a_note_says_so(voxels):
    image = MetaTensor(torch.from_numpy(voxels))
    for step in (CropToBreast(), NormaliseLaterality()):
        done = step(image)
        assert torch.equal(done.as_tensor(), image.as_tensor())
        (note,) = done.meta[NOTES]
        assert "the image is not" in note


def test_notes_of_several_steps_reach_the_prepared_image():
    image = Image(np.zeros((1, 30, 20), np.float32), Geometry.from_spacing((30, 20), None))
    plan = plan_2d(preparation=checked_steps(["remove_labels", "crop_to_breast", "clahe", "normalise_laterality"]))
    notes = prepare(image, plan).notes
    assert [note.split(":")[0] for note in notes] == ["remove_labels", "crop_to_breast", "normalise_laterality"]
