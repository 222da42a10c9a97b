"""Longest diameters of a region, between vertices of its half-level contour (2D) or surface (3D).

The vertices of the half-level contour lie midway between a voxel inside and its neighbour outside (IBSI, Zwanenburg
2016, 3.1.11 "maximum 3D diameter"), so one voxel measures one voxel and a row of n voxels measures n. Lengths are
in mm on oblique, anisotropic and sheared grids alike, and in pixels where the spacing is unknown.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from medseg.errors import InputError
from medseg.geometry import Geometry
from medseg.regions.lines import SAME, hull, longest_chord_across, longest_lines

__all__ = ["AxialDiameters", "Diameter", "Slices", "axial_diameters", "longest_diameter", "longest_in_slices"]

_VOXELS = 1 << 22  # of a mask looked at at once
_ANGLES = np.arange(12) * np.pi / 12
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


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
    _length, lines = longest_lines(_outermost(mask), geometry.affine[:-1, :-1])
    return _diameter(*geometry.to_world(lines[0]))


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
    basis, plane = _plane(geometry, across)
    slices = Slices.of(mask, across)
    crosses = []
    for index, lines in _longest_by_slice(slices, plane)[1]:
        polygon = hull(slices.centres(index)) @ plane.T
        for start, end in lines @ plane.T:
            chord = longest_chord_across(polygon, start, end)
            crosses.append((float(np.linalg.norm(chord[1] - chord[0])), np.array([start, end, *chord]), index))
    _length, in_plane, index = max(crosses, key=lambda cross: cross[0])
    origin = np.zeros(geometry.ndim)
    if across is not None:
        origin[across] = index
    ends = in_plane @ basis.T + geometry.to_world(origin)
    return AxialDiameters(_diameter(*ends[:2]), _diameter(*ends[2:]), index)


def longest_in_slices(mask: np.ndarray, geometry: Geometry, across: int) -> float:
    """Length of the longest diameter within any one slice across an array axis.

    Args:
        mask: One region, boolean, shape (x, y, z).
        geometry: Its grid.
        across: The axis.

    Raises:
        InputError: The mask is empty or not of the grid's shape.
    """
    _check(mask, geometry)
    return _longest_by_slice(Slices.of(mask, across), _plane(geometry, across)[1])[0]


def _plane(geometry: Geometry, across: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors that span the slices, as columns, and index steps within a slice to mm along them."""
    return _spanned(geometry.affine[:-1, [axis for axis in range(geometry.ndim) if axis != across]].tobytes())


@lru_cache(maxsize=64)
def _spanned(steps: bytes) -> tuple[np.ndarray, np.ndarray]:
    basis, plane = np.linalg.qr(np.frombuffer(steps).reshape(-1, 2))
    return basis, plane


@dataclass(frozen=True)
class Slices:
    """The outermost voxels of a region on each line of each slice.

    Args:
        hit: Which lines hold something, shape (lines, slices).
        first: Place of the first voxel on each line, same shape.
        last: Place of the last.
    """

    hit: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @classmethod
    def of(cls, mask: np.ndarray, across: int | None) -> "Slices":
        """Those of the slices across an axis; of a picture, which is a single slice, for None."""
        slices = mask[..., np.newaxis] if across is None else np.moveaxis(mask, across, 2)
        last = slices.shape[1] - 1 - slices[:, ::-1].argmax(axis=1)
        return cls(np.asarray(slices.any(axis=1)), slices.argmax(axis=1), last)

    def centres(self, index: int) -> np.ndarray:
        """Their indices within one slice, shape (n, 2): the corners of its convex hull are among them."""
        lines = np.flatnonzero(self.hit[:, index])
        first, last = self.first[lines, index], self.last[lines, index]
        apart = first != last
        return np.stack([np.append(lines, lines[apart]), np.append(first, last[apart])], axis=1)

    def bounds(self, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A length that the longest diameter of each slice does not fall short of, and one that it does not exceed.

        A diameter is the largest width in any direction, and between two directions that are looked at the width
        falls by no more than the cosine of half the angle between them. A slice without voxels has bounds of 0.
        """
        axes = _DIRECTIONS @ plane
        lines = axes[:, 0, np.newaxis, np.newaxis] * np.arange(len(self.hit))[:, np.newaxis]
        places = [lines + axes[:, 1, np.newaxis, np.newaxis] * end for end in (self.first, self.last)]
        high = np.where(self.hit, np.maximum(*places), -np.inf).max(axis=1)
        low = np.where(self.hit, np.minimum(*places), np.inf).min(axis=1)
        widths = np.where(high >= low, high - low + np.abs(axes).max(axis=1)[:, np.newaxis], 0).max(axis=0)
        return widths, widths / math.cos(math.pi / 2 / len(_DIRECTIONS))


def _longest_by_slice(slices: Slices, plane: np.ndarray) -> tuple[float, list[tuple[int, np.ndarray]]]:
    """The longest length within one slice; slices and ends, shape (m, 2, 2), of all lines that are as long."""
    at_least, at_most = slices.bounds(plane)
    best = float(at_least.max()) * (1 - SAME)
    found: list[tuple[float, int, np.ndarray]] = []
    for index in np.argsort(-at_most, kind="stable").tolist():
        if at_most[index] < best * (1 - SAME):
            break
        length, lines = longest_lines(slices.centres(index), plane, best)
        best = max(best, length)
        found.append((length, index, lines))
    return best, [(index, lines) for length, index, lines in found if length >= best * (1 - SAME)]


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


def _diameter(start: np.ndarray, end: np.ndarray) -> Diameter:
    return Diameter(float(np.linalg.norm(end - start)), tuple(float(n) for n in start), tuple(float(n) for n in end))


def _check(mask: np.ndarray, geometry: Geometry) -> None:
    if mask.shape != geometry.shape or not mask.any():
        raise InputError(
            "region mask",
            f"shape {mask.shape} with {int(np.count_nonzero(mask))} voxels on a grid of {geometry.shape}",
            "Pass the boolean mask of one region and its own geometry.",
        )
