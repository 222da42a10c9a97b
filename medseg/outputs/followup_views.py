"""Planes through a lesion at several times: each study cut at the same place, at the same scale and the same way round.

All planes are parallel to the baseline's slices. Every study is resampled onto its plane where it lies in the
baseline's world, so that what is seen can be compared, whatever grids and orientations the studies have.
"""

from dataclasses import dataclass

import numpy as np

from medseg.followup import TimePoint, Track, Tracks
from medseg.geometry import Geometry
from medseg.regions import AxialDiameters, Diameter, axial_diameters
from medseg.resample import resample

__all__ = ["Panel", "panels_of"]

_PIXELS = 220
_MARGIN = 0.6  # of the longest diameter, shown round a lesion
_LEAST_MM = 30.0


@dataclass(frozen=True, eq=False)
class Panel:
    """One time point of a lesion.

    Args:
        grey: The image, shape (right, up); None where there is none.
        inside: Where the lesion's label is, as a share, same shape; None without a mask.
        lines: Ends of the longest diameters and of those across, in mm on the plane: pairs of arrays (2, 2).
        extent: What is shown, in mm on the plane: left, right, low, high.
    """

    grey: np.ndarray | None
    inside: np.ndarray | None
    lines: tuple[tuple[np.ndarray, np.ndarray], ...]
    extent: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class _Plane:
    """The axes of the pictures: unit vectors of the baseline's world to the right and up, and across where there is."""

    right: np.ndarray
    up: np.ndarray
    across: np.ndarray | None

    def on(self, points: np.ndarray) -> np.ndarray:
        """Points of the baseline's world on the plane, shape (n, 2)."""
        return points @ np.stack([self.right, self.up], axis=1)


def panels_of(track: Track, tracks: Tracks) -> list[Panel | None]:
    """What is seen of a lesion at each time point; None where nothing is known.

    Args:
        track: The lesion.
        tracks: All of the patient, whose time points have masks.
    """
    points = tracks.points
    base = points[0].segmentation
    if base is None:
        return [None] * len(points)
    plane = _plane(base.geometry)
    crosses = [_crosses(point, track.rows[time]) for time, point in enumerate(points)]
    middles = [_middle(lines) for lines in crosses]
    known = [middle for middle in middles if middle is not None]
    if not known:
        return [None] * len(points)
    shared = known[0]
    longest = max(line.longest.length for lines in crosses for line, _ in lines)
    spread = max(float(np.abs(plane.on(one - shared)).max()) for one in known)
    reach = max(longest * (0.5 + _MARGIN), _LEAST_MM / 2) + spread
    found: list[Panel | None] = []
    for time, point in enumerate(points):
        near = middles[time]
        if near is None:  # where it was last seen, or will be first
            near = next((one for one in reversed(middles[:time]) if one is not None), known[0])
        place = shared if plane.across is None else shared + plane.across * float((near - shared) @ plane.across)
        found.append(None if point.segmentation is None else _panel(point, track, place, plane, reach, crosses[time]))
    return found


def _plane(geometry: Geometry) -> _Plane:
    axes = geometry.affine[:-1, :-1] / np.asarray(geometry.step)
    if geometry.ndim == 2:
        return _Plane(axes[:, 0], -axes[:, 1], None)
    across, turn = geometry.acquisition_axis, geometry.to_canonical
    world = [axis for axis in range(3) if turn.permutation[axis] != across]
    first, second = (axes[:, turn.permutation[axis]] * (-1 if turn.flipped[axis] else 1) for axis in world)
    # Radiologists see the patient's right, or front, on the left, and what is anterior or superior above.
    up = second - first * float(first @ second)
    return _Plane(-first, up / np.linalg.norm(up), np.cross(first, up) / np.linalg.norm(np.cross(first, up)))


def _crosses(point: TimePoint, rows: tuple[int, ...]) -> list[tuple[AxialDiameters, TimePoint]]:
    found = []
    for row in rows if point.segmentation is not None else ():
        region = point.found[row]
        grid = point.segmentation.geometry.cropped(region.start, region.size)  # type: ignore[union-attr]
        found.append((axial_diameters(region.mask, grid), point))
    return sorted(found, key=lambda one: -one[0].longest.length)


def _middle(lines: list[tuple[AxialDiameters, TimePoint]]) -> np.ndarray | None:
    """The middle of the longest diameter of the largest one, in the baseline's world."""
    if not lines:
        return None
    longest, point = lines[0][0].longest, lines[0][1]
    return point.moved(np.array([longest.start, longest.end])).mean(axis=0)


def _panel(
    point: TimePoint,
    track: Track,
    place: np.ndarray,
    plane: _Plane,
    reach: float,
    crosses: list[tuple[AxialDiameters, TimePoint]],
) -> Panel:
    assert point.segmentation is not None
    grid = _grid(place, plane, reach)
    kind = point.segmentation.of(track.label)
    inside = resample(kind[np.newaxis].astype(np.uint8), point.placed, grid)[0]
    grey = None
    if point.image is not None:
        voxels = point.image.voxels[:1]
        low = float(np.nanmin(voxels)) if voxels.dtype.kind == "f" else float(voxels.min())
        grey = resample(voxels, point.in_baseline(point.image.geometry), grid, outside=low)[0]
    middle = plane.on(place[np.newaxis])[0]

    def on_plane(line: Diameter) -> np.ndarray:
        return plane.on(point.moved(np.array([line.start, line.end]))) - middle

    lines = tuple((on_plane(one.longest), on_plane(one.perpendicular)) for one, _ in crosses)
    return Panel(_flat(grey), _flat(inside), lines, (-reach, reach, -reach, reach))


def _flat(array: np.ndarray | None) -> np.ndarray | None:
    return None if array is None else array.reshape(_PIXELS, _PIXELS)


def _grid(place: np.ndarray, plane: _Plane, reach: float) -> Geometry:
    """The plane's pixels, the first axis to the right, the second up, about a place."""
    step = 2 * reach / _PIXELS
    ndim = len(place)
    affine = np.eye(ndim + 1)
    affine[:-1, 0], affine[:-1, 1] = plane.right * step, plane.up * step
    if plane.across is not None:
        affine[:-1, 2] = plane.across * step
    affine[:-1, -1] = place - (plane.right + plane.up) * (reach - step / 2)
    return Geometry((_PIXELS, _PIXELS, 1)[:ndim], affine)
