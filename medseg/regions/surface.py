"""The half-level surface of a region in 3D and its contour in 2D: what it encloses, and how large or long it is.

Every cell between voxel centres is of one of 256 kinds (16 in 2D), and each kind has a fixed part of the surface: so
the cells of each kind are counted, and no mesh is made.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medseg.geometry import Geometry
from medseg.regions.cells import cover, patches

__all__ = ["Surface", "surface_of"]

_BLOCK = 1 << 20  # cells whose kinds are held at once


@dataclass(frozen=True)
class Surface:
    """The half-level surface (3D) or contour (2D) of a region.

    Args:
        enclosed: Volume in mm³; area in mm² in 2D, in px² where the spacing is unknown.
        extent: Area of the surface in mm²; length of the contour in mm in 2D, in px where the spacing is unknown.
    """

    enclosed: float
    extent: float


def surface_of(mask: np.ndarray, geometry: Geometry) -> Surface:
    """The half-level surface of a region (IBSI, Zwanenburg 2016, 3.1.1 and 3.1.3), or its contour.

    Args:
        mask: One region, boolean, shape (x, y[, z]); beyond it is outside.
        geometry: Its grid.
    """
    counts = _counts(mask)
    axes = geometry.affine[:-1, :-1]
    step = abs(float(np.linalg.det(axes)))
    return Surface(float(counts @ cover(mask.ndim)) * step, float(counts @ _extents(axes.tobytes(), mask.ndim)))


@lru_cache(maxsize=64)
def _extents(axes: bytes, ndim: int) -> np.ndarray:
    """Area (mm²) or length (mm) of the surface in each kind of cell of a grid, whose index steps are these bytes."""
    matrix = np.frombuffer(axes).reshape(ndim, ndim)
    found = patches(ndim)
    sides = (found.corners[:, 1:] - found.corners[:, :1]) @ matrix.T
    if ndim == 2:
        sizes = np.linalg.norm(sides[:, 0], axis=1)
    else:
        sizes = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    return np.bincount(found.cell, found.weight * sizes, minlength=2**2**ndim)


def _counts(mask: np.ndarray) -> np.ndarray:
    """How many cells there are of each kind, those half outside of the mask among them."""
    counts = np.zeros(2**2**mask.ndim, np.int64)
    rows = max(1, _BLOCK // math.prod(n + 1 for n in mask.shape[1:]))
    for start in range(0, len(mask) + 1, rows):
        stop = min(start + rows, len(mask) + 1)  # of cells: cell i lies between the voxels i - 1 and i
        block = np.zeros((stop - start + 1, *(n + 2 for n in mask.shape[1:])), np.uint8)
        first, last = max(0, start - 1), min(len(mask), stop)
        inner = (slice(first - start + 1, last - start + 1), *(slice(1, -1),) * (mask.ndim - 1))
        block[inner] = mask[first:last]
        counts += np.bincount(_kinds(block).ravel(), minlength=len(counts))
    return counts


def _kinds(block: np.ndarray) -> np.ndarray:
    """The kind of each cell: its corners as bits, the last axis the fastest."""
    for axis in reversed(range(block.ndim)):
        ahead = (slice(None),) * axis + (slice(1, None),)
        here = (slice(None),) * axis + (slice(None, -1),)
        block = block[here] | block[ahead] << (1 << (block.ndim - 1 - axis))
    return block
