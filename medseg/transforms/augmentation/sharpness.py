"""Changes of what can be told apart: blur, and fewer samples. In place on (C, *patch), float32, as the others."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medseg.transforms.augmentation.separable import interpolated

__all__ = ["Blur", "LowResolution"]

_TRUNCATED = 4.0  # standard deviations of a Gaussian that are summed


@dataclass(frozen=True, slots=True)
class Blur:
    """A Gaussian along each axis.

    Args:
        sigmas: For each channel, or None where it stays, the standard deviation along each axis in voxels; 0 leaves
            an axis as it is.
    """

    sigmas: tuple[tuple[float, ...] | None, ...]

    def apply(self, image: np.ndarray) -> None:
        """Smooth; beyond the patch its border goes on."""
        for channel, sigmas in zip(image, self.sigmas, strict=True):
            smooth = channel
            for axis, sigma in enumerate(sigmas or ()):
                smooth = _smoothed(smooth, axis, sigma) if sigma > 0 else smooth
            if smooth is not channel:
                channel[:] = smooth

    def __str__(self) -> str:
        drawn = [sigma for sigmas in self.sigmas if sigmas for sigma in sigmas if sigma > 0]
        return f"blur {sum(drawn) / len(drawn):.2g}"


@dataclass(frozen=True, slots=True)
class LowResolution:
    """Fewer samples along each axis, and back to the size by linear interpolation.

    Args:
        shares: For each channel, or None where it stays, the share of the samples that is kept along each axis.
    """

    shares: tuple[tuple[float, ...] | None, ...]

    def apply(self, image: np.ndarray) -> None:
        """Take samples away and fill up."""
        for channel, shares in zip(image, self.shares, strict=True):
            if shares is not None:
                channel[:] = _coarsened(channel, shares)

    def __str__(self) -> str:
        drawn = [min(shares) for shares in self.shares if shares]
        return f"low-res {min(drawn):.2g}"


def _smoothed(values: np.ndarray, axis: int, sigma: float) -> np.ndarray:
    """Sums of shifted copies: with so few taps several times as fast as a convolution of one channel."""
    radius = max(1, int(_TRUNCATED * sigma + 0.5))
    taps = np.exp(-0.5 * (np.arange(radius + 1) / sigma) ** 2)
    taps = (taps / (taps[0] + 2 * taps[1:].sum())).astype(np.float32)
    n = values.shape[axis]
    ends = [np.take(values, [end], axis=axis) for end in (0, n - 1)]
    wide = np.concatenate([*[ends[0]] * radius, values, *[ends[1]] * radius], axis=axis)

    def shifted(by: int) -> np.ndarray:
        return wide[(slice(None),) * axis + (slice(radius + by, radius + by + n),)]

    total = values * taps[0]
    pair = np.empty_like(total)
    for by, tap in enumerate(taps[1:], start=1):
        np.add(shifted(by), shifted(-by), out=pair)
        pair *= tap
        total += pair
    return total


def _coarsened(values: np.ndarray, shares: Sequence[float]) -> np.ndarray:
    shape = values.shape
    kept = [max(1, round(n * share)) for n, share in zip(shape, shares, strict=True)]
    coarse = values
    for axis, (n, m) in enumerate(zip(shape, kept, strict=True)):
        if m < n:
            # the voxel in which the middle of each coarse one lies
            coarse = np.take(coarse, [math.floor((i + 0.5) * n / m) for i in range(m)], axis=axis)
    for axis in reversed(range(len(shape))):  # the last axis is the slow one: it goes first, while little is there
        n, m = shape[axis], kept[axis]
        if m < n:
            coarse = interpolated(coarse, axis, (np.arange(n) + 0.5) * m / n - 0.5)
    return coarse
