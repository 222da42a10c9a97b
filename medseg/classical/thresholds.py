"""Thresholds: given, of a percentile, of Otsu, of several classes, and with hysteresis."""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from medseg.classical.options import Options, RankedOptions, SidedOptions
from medseg.classical.prepared import Found, Prepared

__all__ = [
    "FLAT",
    "Hysteresis",
    "MultiOtsu",
    "Otsu",
    "Percentile",
    "Threshold",
    "hysteresis",
    "multi_otsu",
    "otsu",
    "percentile",
    "threshold",
]

FLAT = "fewer than two values: nothing to tell apart"


class Threshold(Options):
    """A band of intensities."""

    low: float | None = Field(None, description="Least value that is found, in the image's unit (HU of CT).")
    high: float | None = Field(None, description="Greatest value that is found.")

    @model_validator(mode="after")
    def _some_band(self) -> "Threshold":
        if self.low is None and self.high is None:
            raise ValueError("a threshold needs low, high or both, such as low=150")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low={self.low:g} is above high={self.high:g}")
        return self


class Percentile(Options):
    """A band of the image's own percentiles."""

    low: float = Field(95.0, ge=0, le=100, description="Percentile from which on voxels are found.")
    high: float = Field(100.0, ge=0, le=100, description="Percentile up to which voxels are found.")

    @model_validator(mode="after")
    def _a_band(self) -> "Percentile":
        if self.low > self.high:
            raise ValueError(f"low={self.low:g} is above high={self.high:g}")
        return self


class Otsu(SidedOptions):
    """Otsu's threshold."""


class MultiOtsu(RankedOptions):
    """Otsu's thresholds between several classes."""


class Hysteresis(SidedOptions):
    """A strict threshold, and a loose one for what is connected to what passes it."""

    low: float = Field(85.0, description="The loose threshold; for side=dark counted from the bright end.")
    high: float = Field(97.0, description="The strict threshold, which a voxel of every piece has to pass.")
    unit: Literal["percentile", "value"] = Field(
        "percentile", description="Whether they are percentiles of the image, or values in its unit."
    )

    @model_validator(mode="after")
    def _strict_and_loose(self) -> "Hysteresis":
        loose_first = self.low <= self.high if self._rising else self.low >= self.high
        if not loose_first:
            raise ValueError(f"low={self.low:g} is stricter than high={self.high:g}")
        if self.unit == "percentile" and not (0 <= self.low <= 100 and 0 <= self.high <= 100):
            raise ValueError("percentiles go from 0 to 100; say unit=value for values of the image")
        return self

    @property
    def _rising(self) -> bool:
        return self.unit == "percentile" or self.side == "bright"


def threshold(seen: Prepared, options: Threshold) -> Found:
    """Voxels between two values, both included."""
    mask = np.ones(seen.values.shape, bool)
    if options.low is not None:
        mask &= seen.values >= options.low
    if options.high is not None:
        mask &= seen.values <= options.high
    return Found(mask)


def percentile(seen: Prepared, options: Percentile) -> Found:
    """Voxels between two percentiles of the voxels that count, both included."""
    if seen.flat:
        return Found(np.zeros(seen.values.shape, bool), notes=(FLAT,))
    low, high = (np.percentile(seen.counted, share) for share in (options.low, options.high))
    return Found((seen.values >= low) & (seen.values <= high), told=(f"from {low:.6g} to {high:.6g}",))


def otsu(seen: Prepared, options: Otsu) -> Found:
    """One side of the threshold with the largest variance between both (Otsu 1979), by scikit-image in 256 bins."""
    from skimage.filters import threshold_otsu

    if seen.flat:
        return Found(np.zeros(seen.values.shape, bool), notes=(f"no threshold, {FLAT}",))
    level = float(threshold_otsu(seen.counted))
    mask = seen.values > level if options.side == "bright" else seen.values <= level
    return Found(mask, told=(f"Otsu threshold {level:.6g}",))


def multi_otsu(seen: Prepared, options: MultiOtsu) -> Found:
    """The classes of those ranks between Otsu's several thresholds (Liao 2001), by scikit-image in 256 bins."""
    from skimage.filters import threshold_multiotsu

    try:
        levels = None if seen.flat else threshold_multiotsu(seen.counted, classes=options.classes)
    except ValueError:  # fewer values than classes
        levels = None
    if levels is None:
        told = f"fewer than {options.classes} values: there are not so many classes"
        return Found(np.zeros(seen.values.shape, bool), notes=(told,))
    mask = np.isin(np.searchsorted(levels, seen.values), options.ranks())
    return Found(mask, told=(f"Otsu thresholds {', '.join(f'{level:.6g}' for level in levels)}",))


def hysteresis(seen: Prepared, options: Hysteresis) -> Found:
    """What passes the loose threshold and is connected to what passes the strict one (Canny 1986)."""
    from skimage.filters import apply_hysteresis_threshold

    if seen.flat:
        return Found(np.zeros(seen.values.shape, bool), notes=(FLAT,))
    if options.unit == "percentile":
        low, high = (seen.percentile(share, options.side) for share in (options.low, options.high))
    else:
        sign = 1.0 if options.side == "bright" else -1.0
        low, high = sign * options.low, sign * options.high
    towards = np.where(seen.field, seen.towards(options.side), -np.inf)
    # Each threshold is itself passed, as elsewhere; scikit-image leaves it out.
    loose, strict = (np.nextafter(np.float32(level), np.float32(-np.inf)) for level in (low, high))
    return Found(apply_hysteresis_threshold(towards, loose, strict))
