"""Borders of two masks and how far each element of one is from the other, by two definitions.

"border-voxels": an element is a voxel of the mask with a background voxel among its 6 neighbours (4 in 2D), at its
centre; all count alike. As MONAI's, and as Metrics Reloaded's (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z).

"surface-distance": an element is a corner where voxels inside and outside meet, and counts by the area of the surface
through the 2×2×2 voxels round it (in 2D the length of the contour through 2×2 pixels). As DeepMind's package of that
name (Nikolov 2021, doi:10.2196/26151), whose tables are made from Lorensen's marching cubes as here.

What lies outside the volume is background. Elements are placed in world space, so that any grid is measured truly,
oblique and sheared ones too.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from medseg.evaluation.scoring import BORDER_VOXELS, Definition
from medseg.geometry import Geometry

__all__ = ["Directed", "directed_distances"]

_LEAF = 32
_ROUNDING = 1e-6  # what binary fractions of a spacing such as 0.1 mm may add to a distance
_Mask = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Directed:
    """How far the elements of one border are from another.

    Args:
        distances: Of each element to the nearest of the other border, mm or pixels.
        weights: How much each counts; all alike where left out.
    """

    distances: _Floats
    weights: _Floats | None = None

    @property
    def weight(self) -> float:
        """How much all elements count together: their number, or their area."""
        return float(len(self.distances) if self.weights is None else self.weights.sum())

    @property
    def total(self) -> float:
        """Sum of the distances, each by its weight."""
        return float(self.distances.sum() if self.weights is None else self.distances @ self.weights)

    @property
    def mean(self) -> float:
        """Mean distance."""
        return self.total / self.weight

    def within(self, tolerance: float) -> float:
        """How much of the border is no further than the tolerance, in its weight."""
        near = self.distances <= tolerance + _ROUNDING
        return float(near.sum() if self.weights is None else self.weights[near].sum())

    def percentile(self, percent: float) -> float:
        """Between elements that count alike linearly (NumPy's); of weighted ones the first that reaches the share."""
        if self.weights is None:
            return float(np.percentile(self.distances, percent))
        order = np.argsort(self.distances, kind="stable")
        shares = np.cumsum(self.weights[order]) / self.weights.sum()
        return float(self.distances[order[min(int(np.searchsorted(shares, percent / 100)), len(order) - 1)]])


def directed_distances(
    prediction: _Mask, reference: _Mask, geometry: Geometry, definition: Definition
) -> tuple[Directed, Directed]:
    """From the prediction's border to the reference's, and back. Both masks must have a voxel.

    Args:
        prediction: Boolean, shape (x, y[, z]), or a box of the grid that holds all of both masks.
        reference: The same of the reference.
        geometry: The grid of both.
        definition: What a border is.
    """
    axes = np.ascontiguousarray(geometry.affine[:-1, :-1])
    if definition == BORDER_VOXELS:
        borders = _border(prediction), _border(reference)
        return Directed(_nearest(*borders, axes)), Directed(_nearest(*borders[::-1], axes))
    codes = _corner_codes(prediction), _corner_codes(reference)
    table = _areas(axes.tobytes(), prediction.ndim)
    full = len(table) - 1
    one, other = ((code > 0) & (code < full) for code in codes)
    return (
        Directed(_nearest(one, other, axes), _in_order(table[codes[0]], one, other)),
        Directed(_nearest(other, one, axes), _in_order(table[codes[1]], other, one)),
    )


def _border(mask: _Mask) -> _Mask:
    """Voxels of the mask with a neighbour outside it."""
    inner = mask.copy()
    for axis in range(mask.ndim):
        rolled, cut = np.moveaxis(inner, axis, 0), np.moveaxis(mask, axis, 0)
        rolled[1:] &= cut[:-1]
        rolled[:-1] &= cut[1:]
        rolled[0] = False
        rolled[-1] = False
    border: _Mask = mask & ~inner
    return border


def _nearest(border: _Mask, other: _Mask, axes: _Floats) -> _Floats:
    """Distance of every element of a border to the nearest of the other: first those that they do not share.

    Most are shared in good masks, and are 0.
    """
    apart = border & ~other
    distances = np.zeros(int(np.count_nonzero(border)))
    if apart.any():
        tree = cKDTree(_places(other) @ axes.T, leafsize=_LEAF, balanced_tree=False)  # built twice as fast
        far, _which = tree.query(_places(apart) @ axes.T)
        distances[: len(far)] = far
    return distances


def _places(elements: _Mask) -> _Floats:
    """Indices of the true ones, shape (n, ndim), sooner than by `np.argwhere`."""
    return np.stack(np.unravel_index(np.flatnonzero(elements), elements.shape), axis=1).astype(np.float64)


def _in_order(values: _Floats, border: _Mask, other: _Mask) -> _Floats:
    """Values of a border's elements in the order of `_nearest`."""
    return np.concatenate([values[border & ~other], values[border & other]])


def _corner_codes(mask: _Mask) -> npt.NDArray[np.uint8]:
    """A bit for each voxel that meets at a corner, shape (x + 1, y + 1[, z + 1])."""
    padded = np.pad(mask, 1).view(np.uint8)
    codes = np.zeros(tuple(n + 1 for n in mask.shape), np.uint8)
    for bit, steps in enumerate(product((0, 1), repeat=mask.ndim)):
        codes |= padded[tuple(slice(n, n + size) for n, size in zip(steps, codes.shape, strict=True))] << bit
    return codes


@lru_cache(maxsize=8)
def _areas(axes: bytes, ndim: int) -> _Floats:
    """Area (mm²) or length (mm) of the half-level surface through 2×2×2 or 2×2 voxels, by code of `_corner_codes`."""
    steps = np.frombuffer(axes).reshape(ndim, ndim)
    areas = [float(_size(simplices @ steps.T)) for simplices in _simplices(ndim)]
    return np.array(areas)


def _size(simplices: _Floats) -> float:
    """Length of segments, shape (n, 2, 2), or area of triangles, shape (n, 3, 3), together."""
    sides = simplices[:, 1:] - simplices[:, :1]
    if simplices.shape[1] == 2:
        return float(np.linalg.norm(sides[:, 0], axis=1).sum())
    return float(np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).sum() / 2)


@lru_cache
def _simplices(ndim: int) -> tuple[_Floats, ...]:
    """The half-level surface by code in steps of the grid: segments in 2D, triangles in 3D."""
    places = list(product((0, 1), repeat=ndim))
    last = 2 ** len(places) - 1
    found = [np.zeros((0, ndim, ndim))]
    for code in range(1, last):
        # A surface is that of both its sides; of the two, the one of fewer voxels leaves no doubt how to close it.
        fewer = code if code.bit_count() <= len(places) // 2 else last - code
        cell = np.zeros((2,) * ndim)
        for bit, place in enumerate(places):
            cell[place] = fewer >> bit & 1
        found.append(_segments(cell) if ndim == 2 else _triangles(cell))
    found.append(np.zeros((0, ndim, ndim)))
    return tuple(found)


def _triangles(cell: _Floats) -> _Floats:
    from skimage.measure import marching_cubes

    corners, faces, *_ = marching_cubes(cell, 0.5, method="lorensen", allow_degenerate=False)
    found: _Floats = corners.astype(np.float64)[faces]
    return found


def _segments(cell: _Floats) -> _Floats:
    from skimage.measure import find_contours

    lines = [np.stack([line[:-1], line[1:]], axis=1) for line in find_contours(cell, 0.5)]
    return np.concatenate(lines)
