"""Augmented patches: drawn, told and replayed; labels stay labels; each change against an independent reference."""

import math
import re

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import plan_2d, plan_3d
from pydantic import ValidationError
from torch.nn import functional

from medseg.labels import IGNORE_INDEX
from medseg.transforms.augmentation.collimation import Collimation
from medseg.transforms.augmentation.drawing import build_augmentation
from medseg.transforms.augmentation.elastic import Elastic
from medseg.transforms.augmentation.intensities import Brightness, Contrast, Exposure, Gamma, Inversion, Noise
from medseg.transforms.augmentation.settings import PRESETS, AugmentSettings
from medseg.transforms.augmentation.sharpness import Blur, LowResolution
from medseg.transforms.augmentation.variation import Variation
from medseg.transforms.augmentation.warp import Warp

ALWAYS = AugmentSettings(
    **dict.fromkeys(
        ("rotation", "scaling", "shift", "elastic", "noise", "blur", "brightness", "contrast", "gamma"), 1.0
    ),
    **dict.fromkeys(("low_resolution", "inverted_gamma", "exposure", "collimation", "inversion"), 1.0),
)
PLANS = {
    "3D": plan_3d(patch_size=(12, 14, 10)),
    "thick slices": plan_3d(spacing_mm=(0.5, 0.5, 4.0), patch_size=(12, 14, 6)),
    "thick first axis": plan_3d(spacing_mm=(4.0, 0.5, 0.5), patch_size=(5, 14, 13)),
    "two channels": plan_3d(channels=("t1", "t2"), patch_size=(9, 8, 11)),
    "2D": plan_2d(patch_size=(20, 17)),
}


def sample(shape: tuple[int, ...], channels: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randn(channels, *shape, generator=generator)
    return image, torch.randint(0, 3, shape, generator=generator, dtype=torch.uint8)


def applied(variation: Variation, image: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return variation.apply(image.clone(), targets.clone())


def smooth(shape: tuple[int, ...]) -> torch.Tensor:
    values = np.random.default_rng(3).normal(size=(1, *shape))
    return torch.from_numpy(scipy.ndimage.gaussian_filter(values, (0, *[2.0] * len(shape))).astype(np.float32))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_variation_can_be_replayed_and_its_labels_stay_labels(plan, seed):
    augmentation = build_augmentation(plan, ALWAYS)
    variation = augmentation.draw(np.random.default_rng(seed))
    image, targets = sample(variation.reach, len(plan.channels))
    first, again = applied(variation, image, targets), applied(variation, image, targets)
    assert first[0].shape == (len(plan.channels), *plan.patch_size)
    assert first[1].shape == plan.patch_size
    assert (first[0].dtype, first[1].dtype) == (torch.float32, torch.uint8)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert torch.isfinite(first[0]).all()
    assert set(first[1].unique().tolist()) <= {0, 1, 2, IGNORE_INDEX}
    assert variation == augmentation.draw(np.random.default_rng(seed))


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_the_number_of_threads_changes_no_bit(plan):
    variation = build_augmentation(plan, ALWAYS).draw(np.random.default_rng(8))
    image, targets = sample(variation.reach, len(plan.channels))
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append(applied(variation, image, targets))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(results[0][0], other[0]) for other in results[1:])
    assert all(torch.equal(results[0][1], other[1]) for other in results[1:])


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_with_preset_none_nothing_happens_and_nothing_is_copied(plan):
    variation = build_augmentation(plan, AugmentSettings(preset="none")).draw(np.random.default_rng(1))
    assert variation.reach == plan.patch_size
    assert str(variation) == ""
    image, targets = sample(plan.patch_size, len(plan.channels))
    assert variation.apply(image, targets)[0] is image


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("quarters", [1, -1, 2])
def test_a_rotation_by_right_angles_is_that_of_numpy(axis, quarters):
    patch = (9, 9, 9)
    warp = Warp(patch, (1, 1, 1), tuple(90.0 * quarters if a == axis else 0.0 for a in range(3)))
    image, targets = sample(warp.reach)
    seen, indices = Variation(warp).apply(image, targets)
    plane = tuple(a for a in range(3) if a != axis)
    inner = tuple(slice((n - 9) // 2, (n - 9) // 2 + 9) for n in warp.reach)
    assert np.allclose(seen[0], np.rot90(image[0].numpy()[inner], quarters, plane), atol=1e-4)
    assert np.array_equal(indices, np.rot90(targets.numpy()[inner], quarters, plane))


def test_in_two_dimensions_too():
    warp = Warp((11, 8), (1, 1), (90.0,))
    image, targets = sample((17, 18))
    source = Warp((11, 8), (1, 1), (90.0,)).reach
    image, targets = image[:, : source[0], : source[1]], targets[: source[0], : source[1]]
    _, indices = Variation(Warp((9, 9), (1, 1), (90.0,))).apply(*sample(Warp((9, 9), (1, 1), (90.0,)).reach))
    assert Variation(warp).apply(image, targets)[0].shape == (1, 11, 8)
    assert np.array_equal(indices, np.rot90(sample((11, 11))[1].numpy()[1:-1, 1:-1]))


def test_an_affine_map_agrees_with_scipy():
    warp = Warp((14, 16, 12), (1.0, 1.0, 2.0), (20.0, -12.0, 25.0), 0.8, (), (1,))
    image, targets = smooth(warp.reach), sample(warp.reach)[1]
    seen, indices = Variation(warp).apply(image, targets)
    middle, half = (np.array(warp.reach) - 1) / 2, (np.array(warp.patch) - 1) / 2
    offset = middle - warp.matrix @ half
    expected = scipy.ndimage.affine_transform(image[0].numpy(), warp.matrix, offset, warp.patch, order=1)
    assert np.abs(seen[0].numpy() - expected).max() < 1e-4
    nearest = scipy.ndimage.affine_transform(targets.numpy(), warp.matrix, offset, warp.patch, order=0)
    assert (indices.numpy() != nearest).mean() < 1e-3  # ties alone


def test_a_change_of_size_agrees_with_the_general_map():
    patch = (10, 12, 9)
    stretched, general = (
        Warp(patch, (1, 1, 1), (), 0.83, (), (0,)),
        Warp(patch, (1, 1, 1), (0, 0, 1e-9), 0.83, (), (0,)),
    )
    image, targets = smooth(stretched.reach), sample(stretched.reach)[1]
    ours, theirs = (applied(Variation(warp), image, targets) for warp in (stretched, general))
    assert torch.allclose(ours[0], theirs[0], atol=1e-5)
    assert (ours[1] != theirs[1]).float().mean() < 1e-2


def test_a_sphere_stays_a_sphere_where_voxels_are_unequal():
    warp = Warp((20, 20, 10), (1.0, 1.0, 2.0), (30.0, 25.0, 0.0))
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in warp.reach), indexing="ij"))
    ball = (np.hypot(np.hypot(grid[0], grid[1]), 2 * grid[2]) < 7).astype(np.uint8)
    _, seen = Variation(warp).apply(torch.zeros(1, *warp.reach), torch.from_numpy(ball))
    inner = tuple(slice((n - m) // 2, (n - m) // 2 + m) for n, m in zip(warp.reach, warp.patch, strict=True))
    assert (seen.numpy() != ball[inner]).mean() < 0.03


@pytest.mark.parametrize("thick", [0, 1, 2])
def test_across_thick_slices_nothing_is_mixed(thick):
    spacing = tuple(4.0 if axis == thick else 0.5 for axis in range(3))
    changes = ALWAYS.model_copy(update={"shift": 0.0, "flip_axes": ()})
    augmentation = build_augmentation(plan_3d(spacing_mm=spacing, patch_size=(10, 10, 10)), changes)
    warp = augmentation.draw(np.random.default_rng(1)).warp
    assert warp.reach[thick] == 10
    levels = torch.arange(10.0).view([-1 if axis == thick else 1 for axis in range(3)]).expand(warp.reach)
    seen, indices = Variation(warp).apply(levels[None].contiguous(), levels.to(torch.uint8))
    assert torch.equal(seen[0], indices.float())
    assert torch.equal(seen[0].amin([a for a in range(3) if a != thick]), torch.arange(10.0))
    blur, coarse = (
        c for c in augmentation.draw(np.random.default_rng(1)).changes if isinstance(c, Blur | LowResolution)
    )
    assert blur.sigmas[0][thick] == 0
    assert coarse.shares[0][thick] == 1


@pytest.mark.parametrize("flipped", [(0,), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("others", [{}, {"degrees": (10.0, 0.0, 5.0)}, {"size": 1.2}])
def test_flips_mirror_image_and_labels_alike(flipped, others):
    """A mirrored patch is the patch of the mirrored source, turned the other way by the mirror image of the angle."""
    patch = (8, 9, 7)
    warp = Warp(patch, (1, 1, 1), flipped=flipped, **others)
    image, targets = sample(warp.reach)
    seen, indices = applied(Variation(warp), image, targets)
    plain = applied(Variation(Warp(patch, (1, 1, 1), **others)), image, targets)
    assert torch.allclose(seen, plain[0].flip([axis + 1 for axis in flipped]), atol=1e-5)
    assert (indices != plain[1].flip(flipped)).float().mean() < 0.01


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), dims=st.sampled_from(["3D", "2D", "thick slices"]))
def test_no_corner_lies_outside_the_reach(seed, dims):
    """On a linear ramp every voxel is met exactly, which it would not be where a coordinate is cut off."""
    warp = (
        build_augmentation(PLANS[dims], ALWAYS.model_copy(update={"elastic": 0.0}))
        .draw(np.random.default_rng(seed))
        .warp
    )
    grid = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in warp.reach), indexing="ij"))
    seen, _ = Variation(warp).apply(
        torch.from_numpy(grid.astype(np.float32)), torch.zeros(warp.reach, dtype=torch.uint8)
    )
    place = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in warp.patch), indexing="ij"))
    expected = np.tensordot(warp.matrix, place, 1) + np.array(warp.shift or (0,) * len(warp.patch)).reshape(
        -1, *[1] * len(warp.patch)
    )
    assert np.abs(seen.numpy() - expected).max() < 1e-3


def test_an_elastic_field_is_smooth_bounded_and_folds_nowhere():
    elastic = Elastic(0.25, 0.4, seed=4)
    field = elastic.field((24, 20, 28))
    assert (np.abs(field) <= elastic.bound((24, 20, 28)).reshape(3, 1, 1, 1)).all()
    jacobian = np.stack([np.stack(np.gradient(field[i]), -1) for i in range(3)], -2) + np.eye(3)
    assert (np.linalg.det(jacobian) > 0).all()
    assert np.abs(field).max() > 0.3


def test_blur_agrees_with_scipy():
    image, _ = sample((9, 12, 5), 2)
    ours = image.clone()
    Blur(((0.8, 0.6, 0.0), None)).apply(ours.numpy())
    expected = scipy.ndimage.gaussian_filter(image[0].numpy(), (0.8, 0.6, 0.0), mode="nearest")
    assert np.allclose(ours[0], expected, atol=1e-5)
    assert torch.equal(ours[1], image[1])


@pytest.mark.parametrize("shape", [(12, 15, 9), (20, 13)])
def test_low_resolution_agrees_with_torch(shape):
    image, _ = sample(shape)
    ours = image.clone()
    LowResolution(((0.6,) * len(shape),)).apply(ours.numpy())
    coarse = functional.interpolate(image[None], [round(n * 0.6) for n in shape], mode="nearest-exact")
    mode = "trilinear" if len(shape) == 3 else "bilinear"
    assert torch.allclose(ours[None], functional.interpolate(coarse, shape, mode=mode), atol=1e-5)


def test_gamma_keeps_mean_and_spread_and_its_formula():
    image, _ = sample((10, 11, 12), 2)
    ours = image.numpy().copy()
    Gamma((0.7, 1.4)).apply(ours)
    for channel, before, exponent in zip(ours, image.numpy().astype(np.float64), (0.7, 1.4), strict=True):
        raised = ((before - before.min()) / np.ptp(before)) ** exponent
        expected = (raised - raised.mean()) / raised.std() * before.std() + before.mean()
        assert np.allclose(channel, expected, atol=1e-4)
    inverted = -image.numpy()
    Gamma((0.7, 1.4)).apply(inverted)
    negative = image.numpy().copy()
    Gamma((0.7, 1.4), inverted=True).apply(negative)
    assert np.allclose(negative, -inverted)


def test_gamma_leaves_an_even_patch_alone():
    even = np.full((1, 4, 4), 2.0, np.float32)
    Gamma((0.7,)).apply(even)
    assert (even == 2).all()


def test_brightness_contrast_noise_window_and_negative_do_what_they_say():
    image, _ = sample((16, 18, 20), 1)
    before = image.numpy()
    results = {}
    for change in (Brightness((1.2,)), Contrast((0.5,)), Noise(0.1, 3), Exposure(1.5, 0.1), Inversion()):
        results[type(change)] = before.copy()
        change.apply(results[type(change)])
    assert np.allclose(results[Brightness], before * 1.2)
    assert np.allclose(results[Contrast], (before + before.mean()) / 2, atol=1e-5)
    noise = results[Noise] - before
    assert abs(noise.std() - 0.1) < 0.005
    assert abs(noise.mean()) < 0.005
    assert results[Exposure].min() == before.min()
    assert results[Exposure].max() == before.max()
    assert np.array_equal(results[Inversion], -before)


def test_under_a_collimator_labels_are_ignored_and_background_stays():
    image, targets = sample((12, 10))
    collimation = Collimation(((2, 0), (0, 3)))
    seen, indices = Variation(Warp((12, 10), (1, 1)), (), collimation).apply(image.clone(), targets.clone())
    covered = np.zeros((12, 10), bool)
    covered[:2] = covered[:, -3:] = True
    assert (seen[0].numpy()[covered] == image.min().item()).all()
    assert torch.equal(seen[0][~covered], image[0][~covered])
    expected = np.where(covered & (targets.numpy() > 0), IGNORE_INDEX, targets.numpy())
    assert np.array_equal(indices, expected)


def test_labels_that_overlap_move_together():
    warp = Warp((8, 8, 8), (1, 1, 1), (12.0, 5.0, -20.0))
    image, first = sample(warp.reach)
    stack = torch.stack([first, (first > 0).to(torch.uint8)])
    _, seen = Variation(warp).apply(image, stack)
    assert seen.shape == (2, 8, 8, 8)
    assert torch.equal(seen[1], (seen[0] > 0).to(torch.uint8))


def test_the_caption_names_what_was_drawn():
    warp = Warp((8, 8), (1, 1), (12.0,), 0.9, (2, 0), (0,))
    assert str(Variation(warp, (Gamma((0.8,)),))) == "rot 12°, x0.90, shift +2/+0, flip x, gamma 0.80"


@pytest.mark.parametrize("preset", PRESETS)
def test_each_change_is_drawn_as_often_as_its_preset_says(preset):
    chosen = AugmentSettings(preset=preset)
    rng = np.random.default_rng(0)
    augmentation = build_augmentation(plan_2d(), chosen)
    drawn = [str(augmentation.draw(rng)) for _ in range(4000)]
    expected = {
        r"\brot": chosen.rotation,
        r"\bx\d": chosen.scaling,
        "flip x": chosen.flip if 0 in chosen.flip_axes else 0.0,
        "noise": chosen.noise,
        "blur": chosen.blur,
        "brightness": chosen.brightness,
        "contrast": chosen.contrast,
        "low-res": chosen.low_resolution,
        "inverted gamma": chosen.inverted_gamma,
        r"(?<!inverted )gamma": chosen.gamma,
        "window": chosen.exposure,
        "collimated": chosen.collimation,
        "negative": chosen.inversion,
    }
    for pattern, chance in expected.items():
        found = sum(bool(re.search(pattern, text)) for text in drawn) / len(drawn)
        assert abs(found - chance) <= 4 * math.sqrt(chance * (1 - chance) / len(drawn)), pattern


def test_only_radiographs_are_given_collimators_and_windows():
    drawn = [build_augmentation(plan_3d(), ALWAYS).draw(np.random.default_rng(i)) for i in range(20)]
    assert not any(variation.collimation for variation in drawn)
    assert not any(isinstance(change, Exposure | Inversion) for variation in drawn for change in variation.changes)


def test_radiographs_turn_less_and_all_axes_flip_where_told():
    upright = AugmentSettings(rotation=1, flip_axes="all", flip=1.0)
    drawn = [build_augmentation(plan_2d(), upright).draw(np.random.default_rng(i)).warp for i in range(100)]
    assert 13 < max(abs(warp.degrees[0]) for warp in drawn) <= 15
    assert {warp.flipped for warp in drawn} == {(0, 1)}


def test_a_preset_fills_what_is_not_given():
    light = AugmentSettings(preset="light", noise=0.5)
    assert (light.noise, light.blur, light.rotation_degrees) == (0.5, 0.0, 10.0)
    assert AugmentSettings() == AugmentSettings(preset="full")


@pytest.mark.parametrize(
    "wrong", [{"preset": "strong"}, {"noise": 1.5}, {"gamma_range": (1.5, 0.7)}, {"flip_axes": (3,)}, {"affine": 0.3}]
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        AugmentSettings(**wrong)
