"""Intensities of a channel on the channel's own grid, where that is not the grid of the mask.

The region is brought to the channel, not the channel to the region: no voxel of the channel is made up.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from medseg.geometry import Geometry
from medseg.image import Image
from medseg.regions.components import Region
from medseg.regions.families import family_of
from medseg.regions.measured import Family, Measured
from medseg.resample import resample

__all__ = ["measured_elsewhere", "region_on"]

_BY_CHANNEL = ("intensity", "texture")  # columns carry the name of the channel
_OF_CHANNELS = (*_BY_CHANNEL, "pet")
_OWN = -1  # in place of a class index
_TIE = 1e-6  # shares that differ by less are equal


def measured_elsewhere(found: Measured, image: Image, channel: str, families: Sequence[str | Family]) -> dict[str, Any]:
    """What the families that look at voxels measure of a region in an image on another grid.

    Args:
        found: The region on its own grid.
        image: An image of one channel.
        channel: Its name in the names of columns.
        families: Those of the table; others than intensity, pet and texture are passed over.

    Raises:
        GridMismatchError: One of the grids is 2D.
        UnknownSpacingError: A grid has no place in space.
    """
    start, mask = region_on(found, image.geometry)
    region = found.region
    there = Region(region.label, region.value, region.id, int(np.count_nonzero(mask)), start, mask.shape, ())
    moved = Measured(there, mask, image, (channel,))
    row: dict[str, Any] = {}
    for one in families:
        family = family_of(one)
        if one not in _OF_CHANNELS and not isinstance(one, Family):
            continue
        values = family.measure(moved)
        if values or one in _BY_CHANNEL:  # empty, too, takes the place of what was made up on the mask's grid
            row |= dict.fromkeys(column.name for column in family.columns((channel,))) | values
    return row


def region_on(found: Measured, target: Geometry) -> tuple[tuple[int, ...], np.ndarray]:
    """A region on another grid: each class linearly, and the voxels are its own in which its share is the largest.

    Classes are the region, the background, each other label, and other regions of its own; of equal shares the region
    does not have the voxel (as in `resample_labels`, where background comes first).

    Returns:
        Where the box begins on that grid, and the region in it, boolean; of shape (0, 0, 0) where no centre of a voxel
        comes to lie in it.
    """
    source, indices = _surroundings(found)
    box = _box_on(source, target)
    grid = target.cropped(tuple(part.start for part in box), [max(1, part.stop - part.start) for part in box])
    if any(part.stop <= part.start for part in box):
        return (0,) * target.ndim, np.zeros((0,) * target.ndim, bool)
    own = _share(indices == _OWN, source, grid)
    others = np.zeros(own.shape, np.float32)
    for index in np.unique(indices):
        if index != _OWN:
            np.maximum(others, _share(indices == index, source, grid), out=others)
    mask = own > others + _TIE
    if not mask.any():
        return (0,) * target.ndim, np.zeros((0,) * target.ndim, bool)
    ends = [np.flatnonzero(mask.any(axis=tuple(i for i in range(mask.ndim) if i != axis))) for axis in range(mask.ndim)]
    tight = tuple(slice(int(end[0]), int(end[-1]) + 1) for end in ends)
    return tuple(part.start + inner.start for part, inner in zip(box, tight, strict=True)), mask[tight]


def _surroundings(found: Measured) -> tuple[Geometry, np.ndarray]:
    """The region's box with a voxel around it, as class indices, in which the region has one of its own."""
    region = found.region
    starts = tuple(max(0, first - 1) for first in region.start)
    stops = [min(n, a + b + 1) for a, b, n in zip(region.start, region.size, found.whole.shape, strict=True)]
    box = tuple(map(slice, starts, stops))
    size = tuple(stop - start for start, stop in zip(starts, stops, strict=True))
    indices = np.zeros(size, np.int16)
    if found.everything is not None:
        indices = found.everything[1].to_indices(found.everything[0][box]).astype(np.int16)
    inner = tuple(slice(a - b, a - b + n) for a, b, n in zip(region.start, starts, region.size, strict=True))
    indices[inner][found.mask] = _OWN
    return found.whole.cropped(starts, size), indices


def _box_on(source: Geometry, target: Geometry) -> tuple[slice, ...]:
    """The voxels of a grid whose centres can lie in the outer edges of another."""
    edges = list(product(*((-0.5, n - 0.5) for n in source.shape)))
    index = target.to_index(source.to_world(edges))
    return tuple(
        slice(max(0, int(np.floor(low))), min(n, int(np.ceil(high)) + 1))
        for low, high, n in zip(index.min(axis=0), index.max(axis=0), target.shape, strict=True)
    )


def _share(inside: np.ndarray, source: Geometry, target: Geometry) -> np.ndarray:
    share: np.ndarray = resample(inside[np.newaxis], source, target)[0]
    return share
