"""How the half-level surface runs through a cell, for each way in which its corners can lie inside or outside.

A cell has voxel centres as its corners (4 in 2D, 8 in 3D); the surface crosses its edges midway (marching cubes,
Lorensen 1987). Where the corners of a face lie crosswise, those inside are joined, as in 26-connected regions, so that
surfaces are closed everywhere. A polygon that is not flat is cut into triangles in the way that has the largest area in
a cube; of several such ways the mean is taken, so that turning or flipping the cell changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

__all__ = ["Patches", "cover", "patches"]

_CORNERS = {ndim: tuple(product((0, 1), repeat=ndim)) for ndim in (2, 3)}
_AROUND = ((0, 0), (1, 0), (1, 1), (0, 1))  # the corners of a face, in turn
_SAME = 1e-9

Point = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Patches:
    """The flat parts of the half-level surface in every kind of cell.

    Args:
        cell: Number of the kind: bit i is set where corner i (the last axis the fastest) lies inside.
        corners: Of the patch in index units, in turn as seen from outside the region: shape (n, 2, 2) for the lines
            of 2D, (n, 3, 3) for the triangles of 3D.
        weight: Share with which it counts, among ways to cut one polygon.
    """

    cell: np.ndarray
    corners: np.ndarray
    weight: np.ndarray


@cache
def patches(ndim: int) -> Patches:
    """Those of a square (2D) or a cube (3D)."""
    found = [(number, *patch) for number in range(2**2**ndim) for patch in _patches(_inside(number, ndim))]
    cell, points, weight = zip(*found, strict=True)
    return Patches(np.array(cell), np.array(points), np.array(weight))


@cache
def cover(ndim: int) -> np.ndarray:
    """Share of each kind of cell that lies inside, shape (16,) or (256,)."""
    kinds = [_inside(number, ndim) for number in range(2**2**ndim)]
    if ndim == 2:
        return np.array([_covered([flags[corner] for corner in _AROUND]) for flags in kinds])
    # the flow of (x, 0, 0) out of what is inside: through the patches and through the face at x = 1
    found = patches(3)
    a, b, c = np.moveaxis(found.corners, 1, 0)
    outwards = np.cross(b - a, c - a)[:, 0] / 2 * found.corners[..., 0].mean(axis=1)
    face = [_covered([flags[(1, *corner)] for corner in _AROUND]) for flags in kinds]
    return np.bincount(found.cell, found.weight * outwards, minlength=256) + face


def _inside(number: int, ndim: int) -> dict[tuple[int, ...], bool]:
    return {corner: bool(number >> bit & 1) for bit, corner in enumerate(_CORNERS[ndim])}


def _patches(flags: dict[tuple[int, ...], bool]) -> list[tuple[tuple[Point, ...], float]]:
    """Corners of each patch of one kind of cell, and its weight."""
    if len(flags) == 4:
        return [(line, 1.0) for line in _lines(flags, _AROUND)]
    return [patch for polygon in _polygons(flags) for patch in _triangles(tuple(polygon))]


def _lines(flags: dict[tuple[int, ...], bool], corners: Sequence[tuple[int, ...]]) -> list[tuple[Point, Point]]:
    """Lines of the half-level contour on a square with these corners."""
    middles = [_middle(corners[i - 1], corners[i]) for i in range(4)]  # the edge that leads to corner i
    inside = [flags[corner] for corner in corners]
    crossed = [middle for i, middle in enumerate(middles) if inside[i - 1] != inside[i]]
    if len(crossed) < 4:
        return [(crossed[0], crossed[1])] if crossed else []
    return [(middles[i], middles[(i + 1) % 4]) for i in range(4) if not inside[i]]  # around the corners outside


def _covered(inside: Sequence[bool]) -> float:
    """Share of a square inside the contour; its corners in turn."""
    count = sum(inside)
    return 0.75 if count == 2 and inside[0] == inside[2] else (0, 1 / 8, 1 / 2, 7 / 8, 1)[count]


def _polygons(flags: dict[tuple[int, ...], bool]) -> list[list[Point]]:
    """The closed lines that the surface draws on the faces of a cube."""
    links: dict[Point, list[Point]] = defaultdict(list)
    for axis, side in product(range(3), (0, 1)):
        face = [(*corner[:axis], side, *corner[axis:]) for corner in _AROUND]
        for one, other in _lines(flags, face):
            links[one].append(other)
            links[other].append(one)
    polygons = []
    while links:
        here = min(links)
        polygon = []
        while here in links:
            polygon.append(here)
            here = next((point for point in links.pop(here) if point in links), here)
        polygons.append(_seen_from_outside(polygon, flags))
    return polygons


def _seen_from_outside(polygon: list[Point], flags: dict[tuple[int, ...], bool]) -> list[Point]:
    points = np.array(polygon)
    normal = np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)
    outwards = np.zeros(3)
    for point in polygon:
        axis = point.index(0.5)
        before = tuple(int(n) for n in point)
        outwards[axis] += 1 if flags[before] else -1
    return polygon if normal @ outwards > 0 else polygon[::-1]


@cache
def _triangles(polygon: tuple[Point, ...]) -> list[tuple[tuple[Point, ...], float]]:
    """Triangles of the ways to cut a polygon that have the largest area, each with the share of its way."""
    points, ways = np.array(polygon), _cuts(0, len(polygon) - 1)
    a, b, c = np.moveaxis(points[np.array(ways)], 2, 0)
    sizes = np.linalg.norm(np.cross(b - a, c - a), axis=-1).sum(axis=1)
    best = np.flatnonzero(sizes >= sizes.max() - _SAME)
    return [(tuple(polygon[n] for n in triangle), 1 / len(best)) for way in best for triangle in ways[way]]


@cache
def _cuts(first: int, last: int) -> list[list[tuple[int, int, int]]]:
    """All ways to cut the polygon with corners `first` to `last` into triangles."""
    if last - first < 2:
        return [[]]
    return [
        [*left, *right, (first, middle, last)]
        for middle in range(first + 1, last)
        for left in _cuts(first, middle)
        for right in _cuts(middle, last)
    ]


def _middle(one: tuple[int, ...], other: tuple[int, ...]) -> Point:
    return tuple((a + b) / 2 for a, b in zip(one, other, strict=True))
