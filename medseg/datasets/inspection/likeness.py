"""Small pictures of images, by which changed copies are found: compressed, resized, mirrored, brightened."""

import numpy as np

from medseg.image import Image

__all__ = ["SIDES", "descriptor", "details"]

SIDES = {2: 64, 3: 24}  # entries along each axis of a descriptor, by number of axes
_SLAB = 8_000_000  # voxels that are held in single precision at a time
_STRONG, _LIMIT = 0.9, 1.5  # quantile above which detail is not counted as usual, and how often the usual is kept
_REACH = 2  # entries around each that are its surroundings


def descriptor(image: Image) -> np.ndarray:
    """The first channel in canonical order, each entry the mean over its share of the extent: float32, (n,) * axes."""
    grey = image.geometry.to_canonical.apply(image.voxels[0])
    if grey.ndim == 2 and grey.flags.f_contiguous:
        return _small(grey.T).T  # rows that lie in one piece are added up fastest
    return _small(grey)


def _small(grey: np.ndarray) -> np.ndarray:
    """The mean over each share of the extent, in slabs along the last axis."""
    side = SIDES[grey.ndim]
    last = grey.shape[-1]
    step = max(1, _SLAB // (grey.size // last))
    small = np.empty((*(side,) * (grey.ndim - 1), last), np.float32)
    for start in range(0, last, step):
        part = grey[..., start : start + step]
        if part.dtype.kind not in "iub":
            part = _finite(part.astype(np.float32))
        for axis in range(grey.ndim - 1):
            part = _shrunk(part, side, axis)
        small[..., start : start + step] = part
    return _shrunk(small, side, grey.ndim - 1)


def _finite(values: np.ndarray) -> np.ndarray:
    """NaN and infinities as the median of the others, in place."""
    bad = ~np.isfinite(values)
    if bad.any():
        values[bad] = 0 if bad.all() else np.median(values[~bad])
    return values


def details(pictures: np.ndarray) -> np.ndarray:
    """What stands out from its surroundings: alike in copies, and not in other images of the same anatomy.

    Args:
        pictures: Descriptors, shape (n, side, ...).
    """
    smooth = pictures
    for axis in range(1, pictures.ndim):
        length = pictures.shape[axis]
        reached = (np.clip(np.arange(length) + step, 0, length - 1) for step in range(-_REACH, _REACH + 1))
        smooth = np.mean([np.take(smooth, places, axis) for places in reached], axis=0)
    found = pictures - smooth
    strength = np.abs(found).reshape(len(found), -1)
    strong = np.quantile(strength, _STRONG, axis=1, keepdims=True)
    usual = np.sqrt(np.mean(np.minimum(strength, strong) ** 2, axis=1))
    # the edges of film, collimator and table are strong and alike in many images: they must not outweigh the rest
    limit = (_LIMIT * usual).reshape(-1, *[1] * (pictures.ndim - 1))
    return np.clip(found, -limit, limit)


def _shrunk(array: np.ndarray, side: int, axis: int) -> np.ndarray:
    """One axis in `side` entries, each the mean over an equal part of it."""
    n = array.shape[axis]
    if n % side == 0:
        axes = list(range(array.ndim + 1))
        blocks = array.reshape(*array.shape[:axis], side, n // side, *array.shape[axis + 1 :])
        kept = [*axes[: axis + 1], *axes[axis + 2 :]]
        added: np.ndarray = np.einsum(blocks, axes, kept, dtype=np.float32, casting="unsafe")
        return added * np.float32(side / n)
    array = array.astype(np.float32, copy=False)
    edges = np.linspace(0, n, side + 1)
    if n < side:
        cells = np.arange(n)
        shares = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
        weights = (np.clip(shares, 0, None) * (side / n)).astype(np.float32)
        return np.moveaxis(np.tensordot(weights, array, (1, axis)), 0, axis)
    # Sums of whole cells, and what the edges cut off: without BLAS, whose threads stand in each other's way here.
    whole = np.minimum(edges.astype(int), n - 1)
    share = (edges - edges.astype(int)).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(array.ndim)])
    cut = np.take(array, whole, axis=axis) * share
    change = np.diff(cut, axis=axis)
    sums: np.ndarray = (np.add.reduceat(array, whole[:-1], axis=axis) + change) * np.float32(side / n)
    return sums
