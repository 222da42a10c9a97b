"""Slices of a tilted gantry, which lie sideways of one another, brought onto a grid of right angles."""

import numpy as np

from medseg.errors import GeometryError, GridMismatchError, InputError
from medseg.geometry import Geometry
from medseg.resample import resample

__all__ = ["untilted", "upright"]

_SLICES = 2  # the axis across the slices
_STEEPEST = 1.0  # mm sideways for each mm along the normal: gantries tilt by 30°, nothing is imaged at 45°
_WHOLE = 1e-6  # a shift that lies this near to whole pixels needs no further pixel


def upright(geometry: Geometry) -> Geometry:
    """The orthogonal grid that holds every voxel of a sheared one.

    It has the same axes, spacing and pixel centres in the plane of the first slice, as many slices in the same planes,
    and their distance along the normal; it is larger in the plane by whole pixels.

    Args:
        geometry: A volume whose slices, across its last axis, are shifted within their plane.

    Returns:
        The grid; the one given where nothing is sheared.

    Raises:
        GeometryError: The pixels of a slice are sheared, or the slices by more than a gantry can tilt.
    """
    if geometry.orthogonal:
        return geometry
    plane, step = geometry.affine[:3, :_SLICES], geometry.affine[:3, _SLICES]
    if geometry.ndim != 3 or not _at_right_angles(plane):
        raise GeometryError(
            "geometry", "the pixels of a slice are sheared", "No gantry does that: mend the header.", "right angles"
        )
    normal = np.cross(plane[:, 0], plane[:, 1])
    normal /= np.linalg.norm(normal)
    along = (step @ normal) * normal
    steepness = np.linalg.norm(step - along) / np.linalg.norm(along)
    if steepness > _STEEPEST:
        raise GeometryError(
            "geometry",
            f"the slices are sheared by {np.degrees(np.arctan(steepness)):.0f}°",
            "Look at the slices' positions: they may be those of several series.",
            "a gantry tilt of up to 45°",
        )
    # Pixels, along x and y, by which the last slice lies sideways of the first.
    shift = np.linalg.lstsq(plane, step - along, rcond=None)[0] * (geometry.shape[_SLICES] - 1)
    low = np.floor(np.minimum(shift, 0) + _WHOLE).astype(int)
    high = np.ceil(np.maximum(shift, 0) - _WHOLE).astype(int)
    affine = geometry.affine.copy()
    affine[:3, _SLICES] = along
    affine[:3, 3] += plane @ low
    shape = np.add(geometry.shape, (*(high - low), 0))
    return Geometry(tuple(shape), affine, geometry.spacing_source)


def untilted(voxels: np.ndarray, geometry: Geometry) -> tuple[np.ndarray, Geometry]:
    """A sheared volume on the orthogonal grid of `upright`.

    Each slice is shifted within its plane, by linear interpolation: no slice is mixed with another, and where the
    shift is whole pixels the values stay what they are.

    Args:
        voxels: Shape (C, x, y, z), the slices along z.
        geometry: Their grid.

    Returns:
        Float32 on the new grid, the lowest finite value where there was no voxel; both arguments where nothing is
        sheared.

    Raises:
        GeometryError: What `upright` raises.
        GridMismatchError: The voxels are not on the grid.
        InputError: There is no finite value.
    """
    if voxels.shape[1:] != geometry.shape:
        raise GridMismatchError(
            "voxels", f"shape {voxels.shape}", "Pass their own grid.", f"(C, {geometry.describe()})"
        )
    target = upright(geometry)
    if target is geometry:
        return voxels, geometry
    finite = voxels[np.isfinite(voxels)] if voxels.dtype.kind == "f" else voxels
    if not finite.size:
        raise InputError("voxels", "no finite value", "Export the series again.")
    return resample(voxels, geometry, target, order="linear", outside=float(finite.min())), target


def _at_right_angles(plane: np.ndarray) -> bool:
    x, y = (plane / np.linalg.norm(plane, axis=0)).T
    return bool(abs(x @ y) < 1e-3)
