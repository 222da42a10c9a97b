"""Augmented patches: repeatable, of the same shape, labels still labels."""

import pytest
import torch
from plans import plan_2d, plan_3d

from medseg.transforms.augment import AugmentSettings, augmentation

ALWAYS = AugmentSettings(affine=1, noise=1, blur=1, gamma=1, brightness=1)


def sample(*shape: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return {"image": torch.rand(1, *shape), "label": torch.randint(0, 3, (1, *shape), dtype=torch.uint8)}


@pytest.mark.parametrize(
    ("plan", "shape"),
    [
        (plan_3d(), (12, 14, 10)),
        (plan_3d(spacing_mm=(0.5, 0.5, 4.0)), (12, 14, 6)),
        (plan_2d(), (20, 18)),
    ],
)
def test_a_seed_gives_the_same_patch_again_and_another_seed_another(plan, shape):
    transform = augmentation(plan, ALWAYS)
    results = []
    for seed in (3, 3, 4):
        transform.set_random_state(seed)
        results.append(transform(sample(*shape)))
    assert torch.equal(results[0]["image"], results[1]["image"])
    assert not torch.equal(results[0]["image"], results[2]["image"])
    assert results[0]["image"].shape == (1, *shape)
    assert set(results[0]["label"].unique().tolist()) <= {0.0, 1.0, 2.0}


def test_thick_slices_are_only_turned_in_their_plane():
    plan = plan_3d(spacing_mm=(0.5, 0.5, 4.0))
    settings = AugmentSettings(affine=1, noise=0, blur=0, gamma=0, brightness=0, scale=0, shift=0, flip_axes=())
    transform = augmentation(plan, settings)
    transform.set_random_state(1)
    planes = torch.arange(6.0).expand(1, 12, 12, 6).clone()
    inner = transform({"image": planes, "label": torch.zeros(1, 12, 12, 6)})["image"][0, 4:8, 4:8]
    assert torch.allclose(inner, torch.arange(6.0).expand(4, 4, 6), atol=1e-4)


def test_with_everything_off_a_patch_stays_as_it_is():
    off = AugmentSettings(affine=0, noise=0, blur=0, gamma=0, brightness=0, flip_axes=())
    before = sample(6, 6, 6)
    after = augmentation(plan_3d(), off)({key: value.clone() for key, value in before.items()})
    assert torch.equal(after["image"], before["image"])
