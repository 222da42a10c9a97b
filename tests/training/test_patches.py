"""Patches: pure functions of the step, centred on what is rare, padded where volumes are small."""

import numpy as np
import torch
from plans import plan_3d

from medseg.training.cache import CachedCase
from medseg.training.patches import PatchSource
from medseg.transforms.augment import AugmentSettings, augmentation

OFF = AugmentSettings(affine=0, noise=0, blur=0, gamma=0, brightness=0, flip_axes=())


def case(name: str, shape: tuple[int, ...], lesion: tuple[int, ...]) -> CachedCase:
    indices = np.zeros(shape, np.uint8)
    indices[lesion] = 1
    voxels = np.random.default_rng(len(name)).normal(size=(1, *shape)).astype(np.float32)
    flat = indices.reshape(-1)
    return CachedCase(name, voxels, indices, (True,), tuple(np.flatnonzero(flat == index) for index in (0, 1)))


def source(cases, patch=(8, 8, 8), foreground=0.5, augment=OFF):
    plan = plan_3d(patch_size=patch)
    return PatchSource(cases, patch, 2, foreground, augmentation(plan, augment), seed=5)


def test_a_step_gives_the_same_batch_whatever_came_before():
    cases = [case("a", (20, 20, 20), (3, 3, 3)), case("bb", (12, 30, 9), (10, 25, 4))]
    strong = AugmentSettings(affine=1, noise=1)
    straight = [source(cases, augment=strong).batch(step) for step in range(4)]
    resumed = source(cases, augment=strong).batch(3)
    assert torch.equal(straight[3].images, resumed.images)
    assert torch.equal(straight[3].targets, resumed.targets)
    assert not torch.equal(straight[2].images, straight[3].images)


def test_each_round_goes_through_every_case():
    cases = [case("a" * (i + 1), (9, 9, 9), (4, 4, 4)) for i in range(6)]
    names = [name for step in range(3) for name in source(cases).names(step)]
    assert sorted(names) == sorted(c.id for c in cases)


def test_patches_centred_on_a_label_hold_it():
    rare = [case("a", (40, 40, 40), (35, 2, 20))]
    for step in range(5):
        indices = source(rare, foreground=1.0).batch(step).targets
        assert (indices == 1).flatten(1).any(1).all()


def test_a_volume_smaller_than_the_patch_is_padded_evenly_with_zero():
    small = case("a", (4, 8, 6), (1, 1, 1))
    batch = source([small]).batch(0)
    images, indices = batch.images, batch.targets
    assert images.shape == (2, 1, 8, 8, 8)
    assert torch.equal(images[0, 0, 2:6, :, 1:7], torch.from_numpy(small.voxels[0]))
    assert images[0, 0, :2].abs().max() == 0
    assert indices.dtype == torch.uint8
    assert indices.sum() == 2
