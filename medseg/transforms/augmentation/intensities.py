"""Changes of grey values, each with the numbers that were drawn for it; all work in place on (C, *patch), float32.

With numpy, which works in the thread that calls it and gives the same bytes however many others there are.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["Brightness", "Change", "Contrast", "Exposure", "Gamma", "Inversion", "Noise"]


class Change(Protocol):
    """One change of a patch's grey values, drawn and not yet applied; its `str` is a short caption."""

    def apply(self, image: np.ndarray) -> None:
        """Change float32 voxels of shape (C, *patch) in place; the same call gives the same result."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Gaussian noise, independent in each voxel and channel, of standard deviation `sd`."""

    sd: float
    seed: int

    def apply(self, image: np.ndarray) -> None:
        """Add it."""
        # SFC64 is numpy's fastest source of normal numbers.
        rng = np.random.Generator(np.random.SFC64(self.seed))
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        noise *= self.sd
        image += noise

    def __str__(self) -> str:
        return f"noise {self.sd:.2g}"


@dataclass(frozen=True, slots=True)
class Brightness:
    """Each channel multiplied by its factor."""

    factors: tuple[float, ...]

    def apply(self, image: np.ndarray) -> None:
        """Multiply."""
        for channel, factor in zip(image, self.factors, strict=True):
            channel *= factor

    def __str__(self) -> str:
        return f"brightness {_listed(self.factors)}"


@dataclass(frozen=True, slots=True)
class Contrast:
    """Distances from each channel's mean multiplied by its factor; nothing leaves the range that was there."""

    factors: tuple[float, ...]

    def apply(self, image: np.ndarray) -> None:
        """Stretch or press together."""
        for channel, factor in zip(image, self.factors, strict=True):
            low, high, mean = channel.min(), channel.max(), channel.mean()
            channel -= mean
            channel *= factor
            channel += mean
            np.clip(channel, low, high, out=channel)

    def __str__(self) -> str:
        return f"contrast {_listed(self.factors)}"


@dataclass(frozen=True, slots=True)
class Gamma:
    """Each channel's range raised to a power; its mean and standard deviation are put back afterwards.

    Args:
        exponents: Of each channel.
        inverted: Whether the negative is raised, so that bright parts are spread instead of dark ones.
    """

    exponents: tuple[float, ...]
    inverted: bool = False

    def apply(self, image: np.ndarray) -> None:
        """Raise to the power."""
        for channel, exponent in zip(image, self.exponents, strict=True):
            if self.inverted:
                np.negative(channel, out=channel)
            _raise(channel, np.float32(exponent))
            if self.inverted:
                np.negative(channel, out=channel)

    def __str__(self) -> str:
        return f"{'inverted ' if self.inverted else ''}gamma {_listed(self.exponents)}"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Another display window of a radiograph: contrast about the middle grey, another level, clipped to the range.

    Args:
        contrast: Old width over new.
        shift: Of the level, as a share of the range.
    """

    contrast: float
    shift: float

    def apply(self, image: np.ndarray) -> None:
        """Set the window."""
        for channel in image:
            low, high = channel.min(), channel.max()
            middle = (low + high) / 2
            channel -= middle
            channel *= self.contrast
            channel += middle + self.shift * (high - low)
            np.clip(channel, low, high, out=channel)

    def __str__(self) -> str:
        return f"window {self.contrast:.2f}/{self.shift:+.2f}"


@dataclass(frozen=True, slots=True)
class Inversion:
    """The negative of a radiograph, as where MONOCHROME1 was not heeded; normalised grey values lie about 0."""

    def apply(self, image: np.ndarray) -> None:
        """Change the sign."""
        np.negative(image, out=image)

    def __str__(self) -> str:
        return "negative"


def _raise(channel: np.ndarray, exponent: np.float32) -> None:
    low, high = channel.min(), channel.max()
    if low == high:
        return
    mean, sd = channel.mean(), channel.std()
    channel -= low
    channel /= high - low
    np.power(channel, exponent, out=channel)
    now = channel.mean()
    channel -= now
    channel *= sd / max(_sd_about_zero(channel), np.float32(1e-7))
    channel += mean


def _sd_about_zero(channel: np.ndarray) -> np.float32:
    return np.sqrt(np.square(channel).mean())


def _listed(values: tuple[float, ...]) -> str:
    return "/".join(f"{value:.2f}" for value in values)
