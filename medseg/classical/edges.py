"""What edges enclose: edges by Canny or by the gradient alone, closed, filled, and thin remains taken away."""

from typing import Literal

import numpy as np
import SimpleITK
from pydantic import Field, model_validator
from scipy import ndimage

from medseg.classical.options import SidedOptions
from medseg.classical.prepared import Found, Prepared
from medseg.classical.thresholds import FLAT

__all__ = ["Edges", "ball", "edges", "gradient"]


class Edges(SidedOptions):
    """Edges, closed and filled."""

    detector: Literal["canny", "gradient"] = Field(
        "canny", description="Thin edges (maxima of the gradient), or all of a steep gradient."
    )
    sigma_mm: float = Field(1.5, gt=0, description="Sigma of the Gaussian of the derivatives, in mm or pixels.")
    low: float = Field(
        0.3, ge=0, le=1, description="Loose threshold of the gradient, as a share of its 99th percentile."
    )
    high: float = Field(0.8, ge=0, le=2, description="Strict threshold, which a voxel of every edge has to pass.")
    close_mm: float = Field(2.0, ge=0, description="Radius of the ball that closes gaps, in mm or pixels.")

    @model_validator(mode="after")
    def _strict_and_loose(self) -> "Edges":
        if self.low > self.high:
            raise ValueError(f"low={self.low:g} is stricter than high={self.high:g}")
        return self


def edges(seen: Prepared, options: Edges) -> Found:
    """What closed edges enclose and is brighter (darker) than what surrounds it.

    Canny's detector (1986) and the gradient's magnitude are SimpleITK's, with sigma in mm along every axis.
    """
    if seen.flat:
        return Found(np.zeros(seen.values.shape, bool), notes=(FLAT,))
    steep = gradient(seen, options.sigma_mm)
    reference = float(np.percentile(steep[seen.field], 99))
    if reference <= 0:
        return Found(np.zeros(seen.values.shape, bool), notes=("no edge is steep enough",))
    low, high = options.low * reference, options.high * reference
    found = _canny(seen, options.sigma_mm, low, high) if options.detector == "canny" else _steep(steep, low, high)
    ring = ball(options.close_mm, seen.step)
    closed = _closed(found, ring)
    filled = ndimage.binary_fill_holes(closed)
    thick = ndimage.binary_opening(filled, ball(max(options.close_mm, max(seen.step)), seen.step))
    mask = _on_side(thick, seen, options, ring)
    notes = () if mask.any() else ("no edges enclose anything on that side",)
    return Found(mask, notes=notes)


def gradient(seen: Prepared, sigma: float) -> np.ndarray:
    """Magnitude of the gradient of a Gaussian, by SimpleITK, sigma in mm (pixels) along every axis."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(seen.values.T))
    image.SetSpacing(seen.step)
    if min(image.GetSize()) < 4:  # fewer than ITK's recursive filter takes along an axis
        return np.asarray(ndimage.gaussian_gradient_magnitude(seen.values, [sigma / one for one in seen.step]))
    steep: np.ndarray = SimpleITK.GetArrayFromImage(SimpleITK.GradientMagnitudeRecursiveGaussian(image, sigma=sigma)).T
    return steep


def ball(radius: float, step: tuple[float, ...]) -> np.ndarray:
    """Offsets no farther than the radius in mm (pixels), as a boolean box about the middle voxel."""
    reach = [int(radius / one) for one in step]
    grid = np.meshgrid(*(np.arange(-n, n + 1) * one for n, one in zip(reach, step, strict=True)), indexing="ij")
    return np.asarray(sum(axis**2 for axis in grid) <= radius**2 + 1e-9)


def _canny(seen: Prepared, sigma: float, low: float, high: float) -> np.ndarray:
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(seen.values.T))
    image.SetSpacing(seen.step)
    found = SimpleITK.CannyEdgeDetection(
        image,
        lowerThreshold=low,
        upperThreshold=high,
        variance=(sigma**2,) * len(seen.step),
        maximumError=(0.01,) * len(seen.step),
    )
    return SimpleITK.GetArrayFromImage(found).T != 0


def _steep(steep: np.ndarray, low: float, high: float) -> np.ndarray:
    from skimage.filters import apply_hysteresis_threshold

    return np.asarray(apply_hysteresis_threshold(steep, low, high))


def _closed(found: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Closed with room about the image, so that nothing sticks to its border."""
    margin = [(n // 2 + 1,) * 2 for n in ring.shape]
    padded = ndimage.binary_closing(np.pad(found, margin), ring)
    return padded[tuple(slice(before, -after) for before, after in margin)]


def _on_side(mask: np.ndarray, seen: Prepared, options: Edges, ring: np.ndarray) -> np.ndarray:
    """The components that are brighter (darker) on average than the voxels about them."""
    towards = seen.towards(options.side)
    pieces, count = ndimage.label(mask)
    kept = np.zeros(mask.shape, bool)
    wider = [n // 2 + 2 for n in ring.shape]
    for number, box in enumerate(ndimage.find_objects(pieces, count), start=1):
        around = tuple(slice(max(0, one.start - w), one.stop + w) for one, w in zip(box, wider, strict=True))
        piece = pieces[around] == number
        shell = ndimage.binary_dilation(piece, iterations=2) & (pieces[around] == 0)
        if not shell.any() or towards[around][piece].mean() > towards[around][shell].mean():
            kept[around] |= piece
    return kept
