"""Regions that grow from seeds: within a band of intensities, or within a spread about their own mean."""

from typing import Literal

import numpy as np
import SimpleITK
from pydantic import Field, model_validator
from scipy import ndimage

from medseg.classical.options import SidedOptions
from medseg.classical.prepared import Found, Prepared
from medseg.errors import InputError

__all__ = ["ConfidenceConnected", "Connected", "SeedOptions", "confidence_connected", "connected", "seeds_of"]

_OUTSIDE = np.float32(np.finfo(np.float32).min)  # a value that no band holds


class SeedOptions(SidedOptions):
    """Where regions start."""

    seeds: tuple[tuple[float, ...], ...] = Field(
        (), description="Points from which regions grow, [[x, y, z], ...]; the brightest (darkest) peaks where none."
    )
    seeds_in: Literal["voxel", "world"] = Field(
        "voxel", description="Whether the seeds are voxel indices from 0, or world mm (RAS+)."
    )
    peaks: int = Field(1, ge=1, description="Without seeds: how many peaks of the smoothed image regions grow from.")
    peak_mm: float = Field(2.0, ge=0, description="Sigma of the Gaussian before peaks are looked for; mm or pixels.")
    peak_low: float | None = Field(None, description="Peaks lie at or above this value, in the image's unit (HU).")
    peak_high: float | None = Field(None, description="Peaks lie at or below this value.")


class Connected(SeedOptions):
    """Growing within a band."""

    low: float | None = Field(None, description="Least value of the band, in the image's unit.")
    high: float | None = Field(None, description="Greatest value of the band.")
    tolerance: float = Field(
        0.2,
        gt=0,
        description="Without low and high: how far the band goes to both sides of the mean about the seeds, as a "
        "share of the image's range (1st to 99th percentile).",
    )

    @model_validator(mode="after")
    def _a_band(self) -> "Connected":
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low={self.low:g} is above high={self.high:g}")
        return self


class ConfidenceConnected(SeedOptions):
    """Growing within a spread about the region's mean."""

    multiplier: float = Field(2.5, gt=0, description="Standard deviations about the region's mean that belong to it.")
    iterations: int = Field(4, ge=0, le=100, description="How often mean and deviation are taken anew.")
    radius: int = Field(2, ge=0, le=20, description="Voxels about each seed that give the first mean and deviation.")


def connected(seen: Prepared, options: Connected) -> Found:
    """What is connected to a seed within a band of intensities, face to face, by SimpleITK (ConnectedThreshold)."""
    seeds = seeds_of(seen, options)
    if not seeds:
        return Found(np.zeros(seen.values.shape, bool), notes=("no peak to grow from",))
    low, high = options.low, options.high
    if low is None and high is None:
        middle = np.mean([_around(seen.values, seed).mean() for seed in seeds])
        low, high = middle - options.tolerance * seen.span, middle + options.tolerance * seen.span
    low = float(seen.counted.min()) if low is None else low
    high = float(seen.counted.max()) if high is None else high
    grown = SimpleITK.ConnectedThreshold(_as_itk(seen), seedList=seeds, lower=float(low), upper=float(high))
    return Found(_from_itk(grown), told=(_told(seeds), f"from {low:.6g} to {high:.6g}"))


def confidence_connected(seen: Prepared, options: ConfidenceConnected) -> Found:
    """What is connected to the seeds within so many deviations of its own mean, by SimpleITK (ITK Software Guide)."""
    seeds = seeds_of(seen, options)
    if not seeds:
        return Found(np.zeros(seen.values.shape, bool), notes=("no peak to grow from",))
    grown = SimpleITK.ConfidenceConnected(
        _as_itk(seen),
        seedList=seeds,
        numberOfIterations=options.iterations,
        multiplier=options.multiplier,
        initialNeighborhoodRadius=options.radius,
        replaceValue=1,
    )
    return Found(_from_itk(grown), told=(_told(seeds),))


def seeds_of(seen: Prepared, options: SeedOptions) -> list[tuple[int, ...]]:
    """Voxel indices of the seeds that were given, or of the highest peaks.

    Raises:
        InputError: A seed lies outside the image, or has another number of coordinates.
    """
    if not options.seeds:
        return _peaks(seen, options)
    shape = seen.values.shape
    if any(len(seed) != len(shape) for seed in options.seeds):
        raise InputError(
            "seeds", f"{list(options.seeds)}", "Give each point all its coordinates.", f"{len(shape)} each"
        )
    points = np.asarray(options.seeds, float)
    if options.seeds_in == "world":
        points = seen.geometry.to_index(points)
    indices = np.rint(points).astype(int)
    outside = ((indices < 0) | (indices >= shape)).any(axis=1)
    if outside.any():
        wrong = [float(one) for one in np.asarray(options.seeds)[outside][0]]
        found = f"{wrong} ({options.seeds_in}) lies outside the image of {seen.geometry.describe()}"
        raise InputError("seeds", found, "Give voxel indices from 0, or world mm with seeds_in=world.")
    return [tuple(int(i) for i in one) for one in indices]


def _peaks(seen: Prepared, options: SeedOptions) -> list[tuple[int, ...]]:
    """The highest local maxima, two sigma or more apart along every axis; of equal ones, the first."""
    from skimage.feature import peak_local_max

    if seen.flat:
        return []
    smooth = ndimage.gaussian_filter(seen.towards(options.side), [options.peak_mm / one for one in seen.step])
    allowed = seen.field.copy()
    if options.peak_low is not None:
        allowed &= seen.values >= options.peak_low
    if options.peak_high is not None:
        allowed &= seen.values <= options.peak_high
    apart = max(1, round(2 * options.peak_mm / max(seen.step)))
    # Every maximum inside the window counts, the whole image being one label; none is lost at the border.
    maxima = peak_local_max(smooth, min_distance=apart, exclude_border=False)
    inside = [tuple(int(i) for i in one) for one in maxima if allowed[tuple(one)]]
    return sorted(inside, key=lambda one: -float(smooth[one]))[: options.peaks]


def _around(values: np.ndarray, seed: tuple[int, ...]) -> np.ndarray:
    return values[tuple(slice(max(0, i - 1), i + 2) for i in seed)]


def _told(seeds: list[tuple[int, ...]]) -> str:
    listed = ", ".join(f"({', '.join(map(str, seed))})" for seed in seeds[:3])
    return f"grown from voxel {listed}" + (" ..." if len(seeds) > 3 else "")


def _as_itk(seen: Prepared) -> SimpleITK.Image:
    """With ITK's indices those of the array, and nothing to grow into where no voxel counts."""
    return SimpleITK.GetImageFromArray(np.ascontiguousarray(np.where(seen.field, seen.values, _OUTSIDE).T))


def _from_itk(image: SimpleITK.Image) -> np.ndarray:
    return SimpleITK.GetArrayFromImage(image).T != 0
