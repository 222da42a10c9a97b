"""Where the body is in a radiograph whose background is dark.

Otsu's threshold (1979) parts dense tissue from the rest; a second one, of what lies below the first, parts thin
tissue and skin from the background.
"""

import numpy as np
from scipy import ndimage

__all__ = ["bounding_box", "find_body", "grown", "otsu_threshold", "tissue_threshold"]

_LONGEST = 512  # pixels of a longer side are looked at in strides
_SMALLEST = 0.005  # share of the image below which nothing counts as a body
_GAP = 0.008  # share of the longest side: pieces less than twice this apart belong together
_FLOOR = 0.2  # share of the way to dense tissue below which all is background, however noisy
_BINS = 256


def otsu_threshold(values: np.ndarray) -> float | None:
    """The value that parts all values in two (Otsu 1979), amid a gap; None where they are constant."""
    if values.size == 0 or not values.min() < values.max():
        return None
    counts, edges = np.histogram(values, _BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(float)
    above = below[-1] - below
    total = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    best = np.flatnonzero(between[:-1] >= np.nanmax(between[:-1]) * (1 - 1e-9))
    return float(edges[1 + best].mean())


def tissue_threshold(pixels: np.ndarray) -> float | None:
    """The value above which pixels are tissue; None for an image of fewer than three values."""
    dense = otsu_threshold(pixels)
    thin = None if dense is None else otsu_threshold(pixels[pixels <= dense])
    if dense is None or thin is None:
        return None
    low = float(pixels.min())
    return max(thin, low + _FLOOR * (dense - low))


def find_body(pixels: np.ndarray) -> np.ndarray | None:
    """The largest piece of tissue, its holes filled.

    Args:
        pixels: Finite, shape (x, y[, z]).

    Returns:
        Boolean, same shape; None where there is no body apart from a background.
    """
    stride = max(1, -(-max(pixels.shape) // _LONGEST))
    coarse = pixels[(slice(None, None, stride),) * pixels.ndim]
    threshold = tissue_threshold(coarse)
    if threshold is None:
        return None
    tissue = ndimage.median_filter(coarse, 3) > threshold
    pieces, count = ndimage.label(grown(tissue, _GAP * max(coarse.shape)))
    if count == 0:
        return None
    sizes = np.bincount(pieces[tissue], minlength=count + 1)
    body = ndimage.binary_fill_holes(tissue & (pieces == 1 + int(np.argmax(sizes[1:]))))
    if not _SMALLEST < body.mean() < 1:
        return None
    for axis, length in enumerate(pixels.shape):
        body = np.take(body, np.arange(length) // stride, axis)
    return np.asarray(body)


def grown(mask: np.ndarray, distance: float) -> np.ndarray:
    """A mask and all that lies within a distance in pixels of it."""
    if distance < 1 or not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask) <= distance)


def bounding_box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box round a mask that is not empty."""
    box: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.uint8))[0]
    return box
