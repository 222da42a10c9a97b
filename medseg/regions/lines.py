"""Longest lines within a region: between vertices of its half-level contour or surface, and across such a line.

The vertices lie half a voxel from a voxel centre along one axis. The ends of a longest line are corners of the convex
hull, which is that of the outermost voxel centres, each moved half a voxel along every axis: so pairs of centres
that cannot be the nearest to such ends are put aside before the moves of both are tried.
"""

from contextlib import suppress
from functools import cache

import numpy as np

__all__ = ["SAME", "corners", "hull", "longest_chord_across", "longest_lines", "narrowest"]

SAME = 1e-7  # lengths that differ by less than this share are equal
_LEVEL = 1e-9  # mm by which rounding may part vertices of one height
_FEW = 256  # points from which on a hull pays
_BLOCK = 512  # rows of the distance matrix held at once


def longest_lines(centres: np.ndarray, axes: np.ndarray, at_least: float = 0.0) -> tuple[float, np.ndarray]:
    """The longest lines between points half a voxel from voxel centres along one axis.

    Args:
        centres: Indices of voxels, the corners of their convex hull among them, shape (n, ndim).
        axes: Index steps to mm, shape (ndim, ndim): one column an axis.
        at_least: Shorter lines are not looked for.

    Returns:
        Their length in mm, and the ends of all that are as long, in index units, shape (m, 2, ndim): of the two
        directions of a line one is there. No line, and a length of 0, where all are shorter than `at_least`.
    """
    steps = _steps(len(axes))
    moves = steps @ axes.T
    reach = 2 * float(np.sqrt((moves**2).sum(axis=1)).max())
    points = centres
    if len(points) > _FEW:
        points = corners(points[_far_ends(points @ axes.T, at_least, reach)])
    first, second = _far_pairs(points @ axes.T, at_least, reach)
    between = (points[second] - points[first]) @ axes.T
    # both ends moved along the axis that gains most, outwards; whatever else the two moves do, they gain no more
    gains = np.abs(between @ axes).max(axis=1, initial=0)
    squared = (between**2).sum(axis=1)
    best = max(at_least**2, float((squared + 2 * gains).max(initial=0)))
    kept = np.flatnonzero(squared + 2 * gains + reach**2 >= best * (1 - SAME))
    lines = between[kept, np.newaxis, np.newaxis] + moves - moves[:, np.newaxis]
    lengths = np.sqrt((lines**2).sum(axis=-1))
    longest = float(lengths.max(initial=0))
    if longest < at_least * (1 - SAME) or not len(kept):
        return 0.0, np.empty((0, 2, centres.shape[1]))
    pair, start, end = np.nonzero(lengths >= longest * (1 - SAME))
    pair = kept[pair]
    return longest, np.stack([points[first[pair]] + steps[start], points[second[pair]] + steps[end]], axis=1)


def corners(points: np.ndarray) -> np.ndarray:
    """The corners of the convex hull of many points; of few, or where they span none (a flat region), all."""
    from scipy.spatial import ConvexHull, QhullError

    if len(points) > _FEW:
        with suppress(QhullError):
            return np.asarray(points[ConvexHull(points).vertices])
    return points


def _far_pairs(points: np.ndarray, at_least: float, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of points that lie no more than `reach` nearer to one another than the farthest two, or `at_least`."""
    from scipy.spatial.distance import cdist

    far = at_least
    none = np.empty(0, np.intp)
    found = [(none, none, np.empty(0))]
    for begin in range(0, len(points), _BLOCK):
        distances = cdist(points[begin : begin + _BLOCK], points[begin:])
        far = max(far, float(distances.max()))
        row, column = (distances >= (far - reach) * (1 - SAME)).nonzero()
        once = row <= column
        row, column = row[once], column[once]
        found.append((begin + row, begin + column, distances[row, column]))
    first, second, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
    kept = distance >= (far - reach) * (1 - SAME)
    return first[kept], second[kept]


def _far_ends(points: np.ndarray, far: float, reach: float) -> np.ndarray:
    """Those of many points that can be an end of such a pair: no end lies near the middle of all."""
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    radius = np.sqrt(((points - middle) ** 2).sum(axis=1))
    opposite = points[np.sqrt(((points - points[radius.argmax()]) ** 2).sum(axis=1)).argmax()]
    far = max(far, float(np.sqrt(((points - opposite) ** 2).sum(axis=1)).max()))
    return np.flatnonzero(radius >= far - reach - radius.max() * (1 + SAME))


def hull(centres: np.ndarray) -> np.ndarray:
    """Corners of the convex hull of the half-level contour around pixel centres, in turn, in index units, shape (n, 2).

    By Andrew's chains (1979): from left to right above and below all points that the hull can have.
    """
    vertices = (centres[:, np.newaxis] + _steps(2)).reshape(-1, 2)
    vertices = vertices[np.lexsort((vertices[:, 1], vertices[:, 0]))]
    new = np.flatnonzero(np.diff(vertices[:, 0], prepend=-np.inf, append=np.inf))
    lower, upper = _chain(vertices[new[:-1]].tolist(), 1), _chain(vertices[new[1:] - 1].tolist(), -1)
    around = lower + upper[::-1]
    return np.array([point for n, point in enumerate(around) if point != around[n - 1]])


def _chain(points: list[list[float]], side: int) -> list[list[float]]:
    """Those of points from left to right that bend to one side: 1 is the left, of what lies below all others."""
    kept: list[list[float]] = []
    for x, y in points:
        while len(kept) > 1:
            (a, b), (c, d) = kept[-2:]
            if side * ((c - a) * (y - b) - (d - b) * (x - a)) > 0:
                break
            kept.pop()
        kept.append([x, y])
    return kept


@cache
def _steps(ndim: int) -> np.ndarray:
    """Half a voxel along every axis, both ways, shape (2 ndim, ndim)."""
    return np.concatenate([np.eye(ndim), -np.eye(ndim)]) / 2


def narrowest(centres: np.ndarray, axes: np.ndarray) -> float:
    """Smallest distance between two parallel lines that enclose the half-level contour around voxel centres, in mm.

    One of the two lies along a side of the convex hull (Freeman 1975).

    Args:
        centres: Indices of pixels, shape (n, 2).
        axes: Index steps to mm, shape (2, 2).
    """
    polygon = hull(centres) @ axes.T
    sides = np.roll(polygon, -1, axis=0) - polygon
    normals = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1, keepdims=True)
    return float(np.ptp(polygon @ normals.T, axis=0).min())


def longest_chord_across(polygon: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
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
