"""Closed polygons to voxels: a voxel belongs where its centre lies inside, by the even-odd rule."""

from collections.abc import Sequence

import numpy as np

__all__ = ["filled"]

_TIE = 6  # decimals of a voxel kept, so that a centre on an edge is one whatever the rounding of the arithmetic
_CHUNK = 4096  # edges that are followed at a time, which bounds the memory


def filled(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Which voxel centres lie inside an odd number of polygons.

    Each edge crosses rows of centres (second axis); a centre is inside when an odd number of crossings lies at or
    before it. So a centre exactly on an edge counts where the polygon goes on towards higher indices, and does
    not where it ends there: polygons that share an edge share no voxel and leave none out.

    Args:
        polygons: Corners in voxel indices (fractions kept), each of shape (points, 2); the last is joined to the first.
        shape: Voxels along both axes, whose centres are whole numbers from 0.

    Returns:
        Boolean, of this shape.
    """
    crossings = np.zeros((shape[1], shape[0] + 1), np.int64)
    for polygon in polygons:
        start = np.round(np.asarray(polygon, dtype=np.float64), _TIE)
        end = np.roll(start, -1, axis=0)
        for first in range(0, len(start), _CHUNK):
            _count(crossings, start[first : first + _CHUNK], end[first : first + _CHUNK])
    return (np.cumsum(crossings[:, :-1], axis=1) & 1).astype(bool).T


def _count(crossings: np.ndarray, start: np.ndarray, end: np.ndarray) -> None:
    """Add, for each row that an edge crosses, one at the first centre at or after the crossing."""
    rows, columns = crossings.shape
    lowest = np.ceil(np.minimum(start[:, 1], end[:, 1])).clip(0, rows).astype(np.int64)
    beyond = np.ceil(np.maximum(start[:, 1], end[:, 1])).clip(0, rows).astype(np.int64)
    lengths = beyond - lowest
    edge = np.repeat(np.arange(len(lengths)), lengths)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + lowest[edge]
    along = (row - start[edge, 1]) / (end[edge, 1] - start[edge, 1])
    crossing = np.round(start[edge, 0] + along * (end[edge, 0] - start[edge, 0]), _TIE)
    column = np.ceil(crossing).clip(0, columns - 1).astype(np.int64)
    crossings += np.bincount(row * columns + column, minlength=crossings.size).reshape(crossings.shape)
