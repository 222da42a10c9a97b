"""How much lesions of two time points share, and whether a lesion's place was looked at at another time.

Each voxel of the finer mask is looked up in the other one where it lies in the baseline's world: the nearest voxel
there. So nothing is resampled as a whole, and what is done grows with the lesions, not with the image.
"""

from collections.abc import Iterator

import numpy as np

from medseg.followup.time_point import TimePoint
from medseg.geometry import Geometry
from medseg.regions import Region

__all__ = ["IN_VIEW", "coverage", "shared_volumes"]

IN_VIEW = 0.5  # share of a lesion's place that must have been looked at for it to be gone
_BLOCK = 1 << 20  # voxels of a box looked at at once


def shared_volumes(one: TimePoint, other: TimePoint) -> np.ndarray:
    """What regions of one label share, in mm³ (mm² in 2D), shape (regions of one, regions of other).

    Args:
        one: A time point with a mask.
        other: Another.
    """
    if one.placed.voxel_size > other.placed.voxel_size:
        return shared_volumes(other, one).T
    shared = np.zeros((len(one.found), len(other.found)))
    for label in dict.fromkeys(region.label for region in one.found):
        theirs = [row for row, region in enumerate(other.found) if region.label == label]
        if not theirs:
            continue
        numbers, grid = _numbered(other, theirs)
        for row, region in enumerate(one.found):
            if region.label == label:
                shared[row] = _hits(region, one.placed, numbers, grid, len(other.found))
    return shared * one.placed.voxel_size


def coverage(point: TimePoint, row: int, other: TimePoint) -> float:
    """Share of a region's voxels that lie in another time point's field of view, and were judged there.

    Of a time point that is only a table the field of view is not known, and is taken to be large enough.
    """
    if point.segmentation is None or other.segmentation is None:
        return 1.0
    labels = other.segmentation.labels
    inside = 0
    region = point.found[row]
    for voxels in _voxels(region):
        index, within = _nearest(point.placed.to_world(voxels), other.placed)
        seen = index[within]
        judged = len(seen)
        if labels.ignore is not None and labels.exclusive:
            judged -= int((other.segmentation.mask[tuple(seen.T)] == labels.ignore).sum())
        inside += judged
    return inside / region.voxels


def _hits(region: Region, placed: Geometry, numbers: np.ndarray, grid: Geometry, count: int) -> np.ndarray:
    """How many voxels of a region lie in each region of the other time point."""
    hits = np.zeros(count + 1, np.int64)
    for voxels in _voxels(region):
        index, within = _nearest(placed.to_world(voxels), grid)
        hits += np.bincount(numbers[tuple(index[within].T)], minlength=count + 1)
    return hits[1:]


def _numbered(point: TimePoint, rows: list[int]) -> tuple[np.ndarray, Geometry]:
    """The row of the region at each voxel, from 1, in the box of all of them, and that box's grid as it is placed."""
    regions = [point.found[row] for row in rows]
    start = np.min([region.start for region in regions], axis=0)
    stop = np.max([np.add(region.start, region.size) for region in regions], axis=0)
    numbers = np.zeros(tuple(stop - start), np.int32)
    for row, region in zip(rows, regions, strict=True):
        box = tuple(slice(a - o, a - o + n) for a, n, o in zip(region.start, region.size, start, strict=True))
        numbers[box][region.mask] = row + 1
    return numbers, point.placed.cropped(start.tolist(), numbers.shape)


def _nearest(world: np.ndarray, grid: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The nearest voxel of each point, and whether there is one."""
    index = np.floor(grid.to_index(world) + 0.5).astype(np.int64)
    return index, np.all((index >= 0) & (index < grid.shape), axis=1)


def _voxels(region: Region) -> Iterator[np.ndarray]:
    """Indices of a region's voxels on the whole grid, some slices at a time, shape (n, ndim)."""
    mask = region.mask
    step = max(1, _BLOCK * len(mask) // mask.size)
    for first in range(0, len(mask), step):
        voxels = np.argwhere(mask[first : first + step]) + region.start
        voxels[:, 0] += first
        yield voxels
