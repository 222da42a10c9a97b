"""An image as the methods see it, and what is done to every mask after them."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import ndimage

from medseg.classical.options import Options, Side
from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.image import Image
from medseg.regions.keeping import kept_components

__all__ = ["Found", "Prepared", "finished", "prepare", "shrunken"]

_AIR_HU = -500.0  # CT below this is air: half way between it and water
_AIR_SHARE = 0.1  # of the way from the least value to the 99th percentile: below is air, where there is no unit


@dataclass(frozen=True, eq=False)
class Prepared:
    """One channel, smoothed.

    Args:
        values: float32, finite, shape (x, y[, z]).
        field: Boolean, same shape: the voxels that count.
        step: Length of a voxel along each axis: mm, or 1 where the spacing is unknown.
        geometry: The grid.
    """

    values: np.ndarray
    field: np.ndarray
    step: tuple[float, ...]
    geometry: Geometry

    @cached_property
    def counted(self) -> np.ndarray:
        """Values of the voxels that count, one after another."""
        return self.values.ravel() if self.field.all() else self.values[self.field]

    @cached_property
    def flat(self) -> bool:
        """Whether there are fewer than two values, so that nothing can be told apart."""
        return self.counted.size == 0 or bool(self.counted.min() == self.counted.max())

    @cached_property
    def span(self) -> float:
        """From the 1st to the 99th percentile, or where these are one, the whole range."""
        low, high = np.percentile(self.counted, [1, 99])
        return float(high - low) if high > low else float(self.counted.max() - self.counted.min())

    def towards(self, side: Side) -> np.ndarray:
        """Values of which the sought ones are the high ones: as they are, or turned over."""
        return self.values if side == "bright" else -self.values

    def percentile(self, share: float, side: Side = "bright") -> float:
        """A percentile of `towards(side)` over the voxels that count."""
        return float(np.percentile(self.counted if side == "bright" else -self.counted, share))


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found.

    Args:
        mask: Boolean, shape (x, y[, z]).
        probability: Of the label, float32, same shape, where the method has one.
        notes: Warnings: why nothing was found, say.
        told: What the method took from this image: its threshold, say, as it has one for every image.
    """

    mask: np.ndarray
    probability: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


def prepare(image: Image, options: Options) -> Prepared:
    """The channel that is looked at: voxels that are not finite count nowhere; then it is smoothed.

    The Gaussian has its sigma in mm, so that it is narrower in voxels across thick slices.

    Raises:
        InputError: The image has no such channel.
    """
    if options.channel >= image.channels:
        found = f"has {image.channels} channel(s), and channel {options.channel} is asked for"
        raise InputError(image.source or "image", found, "Channels are counted from 0: say channel=0 for the first.")
    stored = image.voxels[options.channel]
    values = np.asarray(stored, np.float32)
    field = np.isfinite(values)
    if not field.all():
        values = np.where(field, values, np.median(values[field]) if field.any() else 0).astype(np.float32)
    geometry = image.geometry
    step = geometry.step if geometry.spacing_known else (1.0,) * geometry.ndim
    field &= _field(values, image.unit, options)
    if options.smoothing_mm:
        values = ndimage.gaussian_filter(values, [options.smoothing_mm / one for one in step])
    return Prepared(values, field, step, geometry)


def _field(values: np.ndarray, unit: str, options: Options) -> np.ndarray:
    if options.within == "nonzero":
        return values != 0
    if options.within == "image":
        return np.ones(values.shape, bool)
    low = float(values.min())
    above = _AIR_HU if unit == "HU" else low + _AIR_SHARE * (float(np.percentile(values, 99)) - low)
    pieces, count = ndimage.label(values > above)
    if count == 0:
        return np.zeros(values.shape, bool)
    body = pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))
    return ndimage.binary_fill_holes(body)


def shrunken(seen: Prepared, most: int) -> Prepared:
    """The same image with no more voxels than that, the finest axes made coarser first; itself where it has no more.

    Smoothed before (anti-aliased), and over the same extent, so that masks come back to their place.
    """
    if seen.values.size <= most:
        return seen
    from skimage.transform import resize

    shape = _shape_below(seen.values.shape, seen.step, most)
    values = resize(seen.values, shape, order=1, anti_aliasing=True, preserve_range=True).astype(np.float32)
    field = resize(seen.field.astype(np.float32), shape, order=1, anti_aliasing=True) >= 0.5
    step = tuple(one * n / m for one, n, m in zip(seen.step, seen.values.shape, shape, strict=True))
    return replace(seen, values=values, field=field, step=step)


def _shape_below(shape: tuple[int, ...], step: tuple[float, ...], most: int) -> tuple[int, ...]:
    """Largest grid of the same extent with at most so many voxels, whose coarsened axes have one step."""
    low, high = min(step), max(one * n for one, n in zip(step, shape, strict=True))
    for _halving in range(40):
        wanted = (low + high) / 2
        sizes = [max(1, int(n * min(1.0, one / wanted))) for one, n in zip(step, shape, strict=True)]
        low, high = (wanted, high) if np.prod(sizes, dtype=float) > most else (low, wanted)
    return tuple(max(1, int(n * min(1.0, one / high))) for one, n in zip(step, shape, strict=True))


def finished(found: Found, seen: Prepared, options: Options) -> Found:
    """The mask on the native grid as the options leave it, with a note where it is empty or everything."""
    mask, notes = found.mask & seen.field, found.notes
    gone = ""
    if options.off_border and mask.any():
        mask = _off_border(mask)
        gone = "" if mask.any() else "every component touches the border of the image (off_border)"
    if options.fill_holes:
        mask = ndimage.binary_fill_holes(mask)
    kept = kept_components(mask, seen.geometry, largest=options.largest, min_size=options.min_size)
    if mask.any() and not kept.any():
        gone = f"every component is smaller than min_size={options.min_size:g}"
    mask, notes = kept, (*notes, gone) if gone else notes
    told = _extreme(mask, seen)
    return replace(found, mask=mask, notes=(*notes, told) if told else notes)


def _off_border(mask: np.ndarray) -> np.ndarray:
    """Without the components that touch the border; an axis of one voxel has none."""
    from skimage.segmentation import clear_border

    thick = tuple(axis for axis, n in enumerate(mask.shape) if n > 1)
    if not thick:
        return mask
    flat = mask.squeeze(tuple(axis for axis in range(mask.ndim) if axis not in thick))
    return np.asarray(clear_border(flat)).reshape(mask.shape)


def _extreme(mask: np.ndarray, seen: Prepared) -> str:
    """What is to be said of a mask that cannot be right: nothing, or all there is."""
    if not seen.counted.size:
        return "nothing found: no voxel counts"
    held = f"the values go from {seen.counted.min():.6g} to {seen.counted.max():.6g}"
    if not mask.any():
        return f"nothing found: {held}"
    return f"everything found, so that nothing is told apart: {held}" if mask[seen.field].all() else ""
