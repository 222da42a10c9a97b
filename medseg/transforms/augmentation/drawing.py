"""What may happen to the patches of a plan, and how often."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from medseg.io.dicom.headers import RADIOGRAPHS
from medseg.plan import Plan
from medseg.transforms.augmentation.collimation import Collimation
from medseg.transforms.augmentation.elastic import Elastic
from medseg.transforms.augmentation.intensities import (
    Brightness,
    Change,
    Contrast,
    Exposure,
    Gamma,
    Inversion,
    Noise,
)
from medseg.transforms.augmentation.settings import AugmentSettings
from medseg.transforms.augmentation.sharpness import Blur, LowResolution
from medseg.transforms.augmentation.variation import Variation
from medseg.transforms.augmentation.warp import Warp

__all__ = ["Augmentation", "build_augmentation"]

_ANISOTROPIC = 3.0  # voxel or patch sizes that differ by more: the long voxels' axis is left alone (as nnU-Net)


@dataclass(frozen=True)
class Augmentation:
    """Draws variations of patches; `build_augmentation` makes one for a plan.

    Args:
        patch: Shape of the network's input.
        channels: How many.
        step: Voxel sizes along each axis; only their proportions matter.
        thick: The axis across thick slices, if there is one.
        radiograph: Whether the images are projections by X-rays.
        settings: How often and how strongly.
    """

    patch: tuple[int, ...]
    channels: int
    step: tuple[float, ...]
    thick: int | None
    radiograph: bool
    settings: AugmentSettings

    def draw(self, rng: np.random.Generator) -> Variation:
        """What happens to one patch: a pure function of the generator's state."""
        warp = self._warp(rng)
        drawn = (draw(rng) for draw in (self._noise, self._blur, self._exposures, self._low_resolution, self._gammas))
        changes = [change for some in drawn for change in some]
        collimation = None
        if self.radiograph:
            settings = self.settings
            if _hit(rng, settings.exposure):
                shift = rng.uniform(-settings.exposure_shift, settings.exposure_shift)
                changes.append(Exposure(_factor(rng, settings.exposure_range), shift))
            inverted = _hit(rng, settings.inversion)
            changes += [Inversion()] if inverted else []
            if _hit(rng, settings.collimation):
                collimation = self._collimation(rng, inverted)
        return Variation(warp, tuple(changes), collimation)

    def _warp(self, rng: np.random.Generator) -> Warp:
        settings, dims = self.settings, len(self.patch)
        degrees: tuple[float, ...] = ()
        if _hit(rng, settings.rotation):
            most = settings.degrees(self.radiograph)
            free = [True] if dims == 2 else [self.thick in (None, axis) for axis in range(dims)]
            degrees = tuple(float(rng.uniform(-most, most)) if turns else 0.0 for turns in free)
        size = _factor(rng, settings.scaling_range) if _hit(rng, settings.scaling) else 1.0
        shift: tuple[int, ...] = ()
        if _hit(rng, settings.shift):
            most_by = [round(settings.shift_share * n) for n in self.patch]
            shift = tuple(int(rng.integers(-by, by + 1)) for by in most_by)
        flipped = tuple(axis for axis in settings.mirrored(len(self.patch)) if _hit(rng, settings.flip))
        elastic = None
        if _hit(rng, settings.elastic):
            elastic = Elastic(rng.uniform(*settings.elastic_spacing), settings.elastic_strength, _seed(rng))
        return Warp(self.patch, self.step, degrees, size, shift, flipped, elastic, self.thick)

    def _noise(self, rng: np.random.Generator) -> list[Change]:
        if not _hit(rng, self.settings.noise):
            return []
        return [Noise(float(rng.uniform(*self.settings.noise_sd)), _seed(rng))]

    def _blur(self, rng: np.random.Generator) -> list[Change]:
        def sigmas() -> tuple[float, ...]:
            drawn = rng.uniform(*self.settings.blur_sigma, len(self.patch))
            return tuple(0.0 if axis == self.thick else float(sigma) for axis, sigma in enumerate(drawn))

        drawn = self._by_channel(rng, self.settings.blur, sigmas)
        return [Blur(drawn)] if any(drawn) else []

    def _low_resolution(self, rng: np.random.Generator) -> list[Change]:
        def shares() -> tuple[float, ...]:
            share = float(rng.uniform(*self.settings.low_resolution_range))
            return tuple(1.0 if axis == self.thick else share for axis in range(len(self.patch)))

        drawn = self._by_channel(rng, self.settings.low_resolution, shares)
        return [LowResolution(drawn)] if any(drawn) else []

    def _exposures(self, rng: np.random.Generator) -> list[Change]:
        settings = self.settings
        changes: list[Change] = []
        if _hit(rng, settings.brightness):
            changes.append(Brightness(self._factors(rng, settings.brightness_range)))
        if _hit(rng, settings.contrast):
            changes.append(Contrast(self._factors(rng, settings.contrast_range)))
        return changes

    def _gammas(self, rng: np.random.Generator) -> list[Change]:
        chances = ((self.settings.inverted_gamma, True), (self.settings.gamma, False))
        return [
            Gamma(self._factors(rng, self.settings.gamma_range), inverted)
            for chance, inverted in chances
            if _hit(rng, chance)
        ]

    def _collimation(self, rng: np.random.Generator, inverted: bool) -> Collimation:
        share = self.settings.collimation_share
        margins = [rng.integers(0, max(1, round(share * n)) + 1, 2) for n in self.patch]
        return Collimation(tuple((int(first), int(last)) for first, last in margins), bright=inverted)

    def _factors(self, rng: np.random.Generator, bounds: tuple[float, float]) -> tuple[float, ...]:
        return tuple(_factor(rng, bounds) for _ in range(self.channels))

    def _by_channel(
        self, rng: np.random.Generator, chance: float, draw: Callable[[], tuple[float, ...]]
    ) -> tuple[tuple[float, ...] | None, ...]:
        return tuple(draw() if _hit(rng, chance) else None for _ in range(self.channels))


def build_augmentation(plan: Plan, settings: AugmentSettings) -> Augmentation:
    """The augmentation of a plan: where voxels or patches are far longer one way, nothing is mixed along that axis."""
    step = plan.spacing_mm or (1.0,) * plan.dims
    thick = None
    if plan.dims == 3:
        lengths = [
            max(of_voxel, of_patch)
            for of_voxel, of_patch in zip(
                (one / min(step) for one in step), (max(plan.patch_size) / n for n in plan.patch_size), strict=True
            )
        ]
        thick = int(np.argmax(lengths)) if max(lengths) > _ANISOTROPIC else None
    radiograph = plan.dims == 2 and plan.modality in RADIOGRAPHS
    return Augmentation(plan.patch_size, len(plan.channels), tuple(step), thick, radiograph, settings)


def _hit(rng: np.random.Generator, chance: float) -> bool:
    # A number is drawn whatever the chance, so that changing one leaves the others' draws alike for longest.
    return bool(rng.random() < chance)


def _factor(rng: np.random.Generator, bounds: tuple[float, float]) -> float:
    """Below 1 and above 1 are equally likely, however far the range goes each way."""
    low, high = bounds
    if low < 1 < high:
        low, high = (low, 1.0) if rng.random() < 0.5 else (1.0, high)
    return float(rng.uniform(low, high))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**63))
