"""Longest diameters of a region, between vertices of its half-level contour (2D) or surface (3D).

The vertices of the half-level contour lie midway between a voxel inside and its neighbour outside (IBSI, Zwanenburg
2016, 3.1.11 "maximum 3D diameter"), so one voxel measures one voxel and a row of n voxels measures n. A diameter
joins two vertices of the convex hull, and that hull is the one of the region's outermost voxel centres, each moved
half a voxel along every axis. Lengths are in mm on oblique, anisotropic and sheared grids alike, and in pixels
where the spacing is unknown.
"""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry

__all__ = ["AxialDiameters", "Diameter", "axial_diameters", "longest_diameter"]

_SAME = 1e-7  # lengths that differ by less than this share are equal: of such, the longest perpendicular decides
_LEVEL = 1e-9  # mm by which rounding may part vertices of one height
_FEW = 64  # points from which on a first hull pays
_VOXELS = 1 << 22  # of a mask looked at at once
_BLOCK = 512  # rows of the distance matrix held at once


@dataclass(frozen=True)
class Diameter:
    """A straight line through a region.

    Args:
        length: In mm; in pixels where the spacing is unknown.
        start: One end, in the geometry's world frame (RAS+ mm; the image plane in 2D).
        end: The other end.
    """

    length: float
    start: tuple[float, ...]
    end: tuple[float, ...]


@dataclass(frozen=True)
class AxialDiameters:
    """The two diameters of a region in one slice (RECIST 1.1, Eisenhauer 2009; WHO 1979 for the perpendicular).

    Args:
        longest: Longest diameter in any slice of the acquisition plane.
        perpendicular: Longest chord at right angles to it in the same slice, taken in the convex hull of the contour.
        slice: Index of that slice on the grid's acquisition axis; 0 in 2D.
    """

    longest: Diameter
    perpendicular: Diameter
    slice: int


def longest_diameter(mask: np.ndarray, geometry: Geometry) -> Diameter:
    """Longest diameter of a region in any direction.

    Args:
        mask: Boolean, shape (x, y[, z]).
        geometry: Its grid.

    Raises:
        InputError: The mask is empty or not of the grid's shape.
    """
    _check(mask, geometry)
    vertices = _vertices(_outermost(mask))
    points = geometry.to_world(vertices)
    first, second = _farthest(points)
    return _diameter(points[first], points[second])


def axial_diameters(mask: np.ndarray, geometry: Geometry) -> AxialDiameters:
    """Longest diameter in the acquisition plane and the longest perpendicular to it in the same slice.

    Of equally long diameters, the one with the longest perpendicular is taken, so that turning or flipping the
    array changes nothing.

    Args:
        mask: One region, boolean, shape (x, y[, z]).
        geometry: Its grid; the slices lie across its acquisition axis.

    Raises:
        InputError: The mask is empty or not of the grid's shape.
    """
    _check(mask, geometry)
    across = geometry.acquisition_axis if geometry.ndim == 3 else None
    slices = mask[..., np.newaxis] if across is None else np.moveaxis(mask, across, 2)
    columns = [axis for axis in range(geometry.ndim) if axis != across]
    basis, plane = np.linalg.qr(geometry.affine[:-1, columns])
    best, polygons = 0.0, []
    for reach, index in _by_reach(slices, plane):
        if reach < best * (1 - _SAME):
            break
        polygon = _vertices(_outermost(slices[..., index])) @ plane.T
        distances = np.linalg.norm(polygon[:, np.newaxis] - polygon, axis=2)
        best = max(best, float(distances.max()))
        polygons.append((index, polygon, distances))
    crosses = [
        (*_cross(polygon, first, second), index)
        for index, polygon, distances in polygons
        for first, second in np.argwhere(np.triu(distances >= best * (1 - _SAME)))
    ]
    _length, in_plane, index = max(crosses, key=lambda cross: cross[0])
    origin = np.zeros(geometry.ndim)
    if across is not None:
        origin[across] = index
    ends = in_plane @ basis.T + geometry.to_world(origin)
    return AxialDiameters(_diameter(*ends[:2]), _diameter(*ends[2:]), index)


def _by_reach(slices: np.ndarray, plane: np.ndarray) -> list[tuple[float, int]]:
    """Slices that hold something with the diagonal of their bounding box, which no diameter exceeds, longest first."""
    reaches = []
    for index in np.flatnonzero(slices.any(axis=(0, 1))):
        sides = [np.ptp(np.flatnonzero(slices[..., index].any(axis=axis))) + 1 for axis in (1, 0)]
        diagonals = [np.linalg.norm(plane @ (sides[0], sign * sides[1])) for sign in (1, -1)]
        reaches.append((float(max(diagonals)), int(index)))
    return sorted(reaches, key=lambda reach: (-reach[0], reach[1]))


def _cross(polygon: np.ndarray, first: int, second: int) -> tuple[float, np.ndarray]:
    """Length of the perpendicular to a diameter, and the ends of both, shape (4, 2), in in-plane mm."""
    chord = _longest_chord_across(polygon, polygon[first], polygon[second])
    return float(np.linalg.norm(chord[1] - chord[0])), np.concatenate([polygon[[first, second]], chord])


def _longest_chord_across(polygon: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Ends of the longest chord of a convex polygon at right angles to a line, shape (2, 2).

    The chord's length is concave along the line and bends only beside a vertex, so it is longest at one.
    """
    along = (end - start) / np.linalg.norm(end - start)
    across = np.array([-along[1], along[0]])
    position, height = polygon @ along, polygon @ across
    bounds = []
    for sign in (1.0, -1.0):
        chain = _upper_chain(position, sign * height)
        bounds.append(sign * np.interp(position, position[chain], height[chain] * sign))
    at = int(np.argmax(bounds[0] - bounds[1]))
    return np.array([position[at] * along + bound[at] * across for bound in bounds])


def _upper_chain(position: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Indices of the vertices on the upper side of a convex polygon, ordered along it."""
    order = np.lexsort((height, position))
    left, right = order[0], order[-1]
    left = order[np.flatnonzero(position[order] <= position[left] + _LEVEL)[-1]]
    slope = (height[right] - height[left]) / max(position[right] - position[left], 1e-30)
    above = height >= height[left] + slope * (position - position[left]) - _LEVEL
    return order[above[order]]


def _outermost(mask: np.ndarray) -> np.ndarray:
    """Indices, shape (n, ndim), of voxels that are the first or the last of a region on their line along every axis.

    Every corner of the convex hull is one of them: a voxel between two others of its line is no corner.
    """
    rows = len(mask)
    step = max(1, _VOXELS * rows // max(1, mask.size))
    first, last = np.full(mask.shape[1:], rows), np.full(mask.shape[1:], -1)
    for start in range(0, rows, step):
        block = mask[start : start + step]
        hit = block.any(axis=0)
        first = np.minimum(first, np.where(hit, start + block.argmax(axis=0), rows))
        last = np.where(hit, start + len(block) - 1 - block[::-1].argmax(axis=0), last)
    found = []
    for start in range(0, rows, step):
        block = mask[start : start + step]
        place = np.arange(start, start + len(block)).reshape(-1, *(1,) * (mask.ndim - 1))
        points = np.argwhere(_ends(block) & ((place == first) | (place == last)))
        points[:, 0] += start
        found.append(points)
    return np.concatenate(found)


def _ends(mask: np.ndarray) -> np.ndarray:
    """True voxels that are the first or the last on their line along every axis but the first."""
    kept = mask.copy()
    for axis in range(1, mask.ndim):
        last = mask.shape[axis] - 1
        place = np.arange(mask.shape[axis]).reshape([-1 if i == axis else 1 for i in range(mask.ndim)])
        first_hit = np.expand_dims(mask.argmax(axis=axis), axis)
        last_hit = last - np.expand_dims(np.flip(mask, axis).argmax(axis=axis), axis)
        kept &= (place == first_hit) | (place == last_hit)
    return kept


def _vertices(centres: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of the half-level surface around voxel centres, in index units, shape (n, ndim)."""
    from scipy.spatial import ConvexHull, QhullError

    if len(centres) > _FEW:
        with suppress(QhullError):  # a flat region: its centres span no hull, the vertices half a voxel away do
            centres = centres[ConvexHull(centres).vertices]
    steps = np.concatenate([np.eye(centres.shape[1]), -np.eye(centres.shape[1])]) / 2
    vertices = (centres[:, np.newaxis] + steps).reshape(-1, centres.shape[1])
    return vertices[np.sort(ConvexHull(vertices).vertices)]


def _farthest(points: np.ndarray) -> tuple[int, int]:
    """Indices of the two points that are farthest from one another."""
    from scipy.spatial.distance import cdist

    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    radius = np.linalg.norm(points - middle, axis=1)
    opposite = points[np.linalg.norm(points - points[radius.argmax()], axis=1).argmax()]
    at_least = np.linalg.norm(points - opposite, axis=1).max()
    # an end of a longer line cannot lie nearer to the middle than this
    ends = np.flatnonzero(radius >= (at_least - radius.max()) * (1 - _SAME))
    best = (-1.0, 0, 0)
    for begin in range(0, len(ends), _BLOCK):
        block = ends[begin : begin + _BLOCK]
        distances = cdist(points[block], points[ends[begin:]])
        row, column = np.unravel_index(distances.argmax(), distances.shape)
        if distances[row, column] > best[0]:
            best = (float(distances[row, column]), int(block[row]), int(ends[begin + column]))
    return best[1], best[2]


def _diameter(start: np.ndarray, end: np.ndarray) -> Diameter:
    return Diameter(float(np.linalg.norm(end - start)), tuple(float(n) for n in start), tuple(float(n) for n in end))


def _check(mask: np.ndarray, geometry: Geometry) -> None:
    if mask.shape != geometry.shape or not mask.any():
        raise InputError(
            "region mask",
            f"shape {mask.shape} with {int(np.count_nonzero(mask))} voxels on a grid of {geometry.shape}",
            "Pass the boolean mask of one region and its own geometry.",
        )
