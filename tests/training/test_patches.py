"""Patches: pure functions of the step, centred on what is rare, padded where volumes are small."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from plans import plan_3d

from medseg.training.cache import CachedCase
from medseg.training.patches import PatchSource
from medseg.training.sampling import CaseOrder, choose_centre
from medseg.transforms.augmentation.drawing import build_augmentation
from medseg.transforms.augmentation.settings import AugmentSettings

OFF = AugmentSettings(preset="none")
STRONG = AugmentSettings(rotation=1, scaling=1, noise=1)


def case(name: str, shape: tuple[int, ...], *lesions: tuple[int, ...]) -> CachedCase:
    indices = np.zeros(shape, np.uint8)
    for lesion in lesions:
        indices[lesion] = 1
    voxels = np.random.default_rng(len(name)).normal(size=(1, *shape)).astype(np.float32)
    flat = indices.reshape(-1)
    return CachedCase(name, voxels, indices, (True,), tuple(np.flatnonzero(flat == index) for index in (0, 1)))


def overlapping_case(shape: tuple[int, ...]) -> CachedCase:
    """Two labels that lie over each other, each with its places; the first is far rarer."""
    marks = np.zeros((2, *shape), np.uint8)
    marks[1, 4:12] = 1
    marks[0, 5, 5, 5] = 1
    voxels = np.zeros((1, *shape), np.float32)
    background = np.flatnonzero(~marks.any(0).reshape(-1))
    places = (background, *(np.flatnonzero(mark.reshape(-1)) for mark in marks))
    return CachedCase("both", voxels, marks, (True, True), places)


def source(cases, patch=(8, 8, 8), foreground=0.5, augment=OFF, lesion_cases=None):
    augmentation = build_augmentation(plan_3d(patch_size=patch), augment)
    return PatchSource(cases, patch, 2, foreground, augmentation, seed=5, lesion_cases=lesion_cases)


def test_a_step_gives_the_same_batch_whatever_came_before():
    cases = [case("a", (20, 20, 20), (3, 3, 3)), case("bb", (12, 30, 9), (10, 25, 4))]
    straight = [source(cases, augment=STRONG).batch(step) for step in range(4)]
    resumed = source(cases, augment=STRONG).batch(3)
    assert torch.equal(straight[3].images, resumed.images)
    assert torch.equal(straight[3].targets, resumed.targets)
    assert not torch.equal(straight[2].images, straight[3].images)


def test_each_round_goes_through_every_case():
    cases = [case("a" * (i + 1), (9, 9, 9), (4, 4, 4)) for i in range(6)]
    names = [name for step in range(3) for name in source(cases).names(step)]
    assert sorted(names) == sorted(c.id for c in cases)


@pytest.mark.parametrize("augment", [OFF, AugmentSettings(rotation=1, shift=0)])
def test_patches_centred_on_a_label_hold_it(augment):
    rare = [case("a", (40, 40, 40), (20, 17, 20), (20, 17, 21), (21, 17, 20))]
    for step in range(5):
        indices = source(rare, foreground=1.0, augment=augment).batch(step).targets
        assert (indices == 1).flatten(1).any(1).all()


def test_a_volume_smaller_than_the_patch_is_padded_evenly_with_zero():
    small = case("a", (4, 8, 7), (1, 1, 1))
    batch = source([small]).batch(0)
    images, indices = batch.images, batch.targets
    assert images.shape == (2, 1, 8, 8, 8)
    assert torch.equal(images[0, 0, 2:6, :, :7], torch.from_numpy(small.voxels[0]))
    assert images[0, 0, :2].abs().max() == 0
    assert indices.dtype == torch.uint8
    assert indices.sum() == 2


def test_a_turned_patch_has_tissue_in_its_corners():
    body = case("a", (60, 60, 60))
    body.voxels[:] = 1
    turned = AugmentSettings(preset="none", rotation=1)
    middle = np.array([np.ravel_multi_index((30, 30, 30), (60, 60, 60))])
    centred = CachedCase("a", body.voxels, body.targets, (True,), (body.places[0], middle))
    patches = PatchSource([centred], (16, 16, 16), 2, 1.0, build_augmentation(plan_3d(), turned), 3)
    assert torch.allclose(patches.batch(0).images, torch.ones(()))


def test_labels_that_overlap_keep_an_axis_and_are_looked_at_evenly():
    both = overlapping_case((16, 16, 16))
    assert source([both]).batch(0).targets.shape == (2, 2, 8, 8, 8)
    centres = [choose_centre(both, 1.0, np.random.default_rng(i)) for i in range(200)]
    assert 70 < centres.count((5, 5, 5)) < 130


def test_the_share_of_patches_from_cases_with_a_label_is_kept():
    cases = [case("a" * (i + 1), (9, 9, 9), *([(4, 4, 4)] if i < 2 else [])) for i in range(10)]
    drawn = [CaseOrder(cases, 0.75, 1).case(number).id for number in range(80)]
    assert sum(name in ("a", "aa") for name in drawn) == 60
    assert {drawn.count(c.id) for c in cases[2:]} <= {2, 3}  # the others go round among themselves


@given(share=st.floats(0, 1), numbers=st.integers(1, 300))
def test_any_share_is_met_to_within_one_patch(share, numbers):
    cases = [case("a", (4, 4, 4), (1, 1, 1)), case("bb", (4, 4, 4))]
    order = CaseOrder(cases, share, 2)
    held = sum(order.case(number).id == "a" for number in range(numbers))
    assert abs(held - share * numbers) <= 1


def test_without_empty_cases_the_share_changes_nothing():
    cases = [case("a" * (i + 1), (9, 9, 9), (4, 4, 4)) for i in range(4)]
    assert source(cases, lesion_cases=0.5).names(3) == source(cases).names(3)
