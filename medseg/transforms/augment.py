"""Training patches made more varied, with MONAI's random transforms."""

import math
from typing import TYPE_CHECKING

from pydantic import Field

from medseg.config import Settings
from medseg.plan import Plan

if TYPE_CHECKING:
    from monai.transforms import Compose

__all__ = ["AugmentSettings", "augmentation"]


class AugmentSettings(Settings):
    """How strongly training patches are varied; each probability is for one patch."""

    flip_axes: tuple[int, ...] = Field((0,), description="Axes of the RAS grid that may be mirrored; 0 is left-right.")
    affine: float = Field(0.3, description="Probability of a rotation, a change of size and a shift.")
    rotation_degrees: float = 15.0
    scale: float = Field(0.15, description="Sizes between 1 - scale and 1 + scale.")
    shift: float = Field(0.05, description="Shifts up to this share of the patch.")
    noise: float = 0.15
    blur: float = 0.1
    gamma: float = 0.3
    brightness: float = 0.15


def augmentation(plan: Plan, settings: AugmentSettings) -> "Compose":
    """A dictionary transform of "image" (float, (C, *patch)) and "label" (class indices, (1, *patch)).

    Seed it for each patch with `set_random_state`, and the same patch comes out again.
    """
    # Not at the top: the settings have to be checked without waiting for MONAI and torch.
    from monai.transforms import (
        Compose,
        RandAdjustContrastd,
        RandAffined,
        RandFlipd,
        RandGaussianNoised,
        RandGaussianSmoothd,
        RandScaleIntensityd,
        RandShiftIntensityd,
    )

    both = ("image", "label")
    turn = math.radians(settings.rotation_degrees)
    rotations: tuple[float, ...] = (turn,) if plan.dims == 2 else (turn, turn, turn)
    if plan.dims == 3 and plan.spacing_mm is not None:
        thick = [step > 3 * min(plan.spacing_mm) for step in plan.spacing_mm]
        # A rotation about another axis than that across thick slices would mix slices that are far apart.
        rotations = tuple(turn if not any(thick) or thick[axis] else 0.0 for axis in range(3))
    affine = RandAffined(
        both,
        prob=settings.affine,
        rotate_range=rotations,
        scale_range=(settings.scale,) * plan.dims,
        translate_range=[settings.shift * size for size in plan.patch_size],
        mode=("bilinear", "nearest"),
        padding_mode="zeros",
    )
    flips = [RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in settings.flip_axes if axis < plan.dims]
    image, blur = "image", (0.5, 1.0)
    return Compose(
        [
            affine,
            *flips,
            RandGaussianNoised(image, prob=settings.noise, std=0.1),
            RandGaussianSmoothd(image, prob=settings.blur, sigma_x=blur, sigma_y=blur, sigma_z=blur),
            RandScaleIntensityd(image, prob=settings.brightness, factors=0.25),
            RandShiftIntensityd(image, prob=settings.brightness, offsets=0.1),
            RandAdjustContrastd(image, prob=settings.gamma, gamma=(0.7, 1.5), retain_stats=True),
        ]
    )
