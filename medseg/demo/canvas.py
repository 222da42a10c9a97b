"""A volume that is painted structure by structure, with soft edges in place of partial volume."""

import numpy as np
import numpy.typing as npt

from medseg.geometry import Geometry

__all__ = ["Canvas", "Depth", "capsule", "ellipsoid"]

Depth = npt.NDArray[np.float32]
"""How far inside a structure each voxel lies, in mm; negative outside."""


class Canvas:
    """HU on a grid, and where each of its voxels lies in the patient.

    Args:
        geometry: A 3D grid.
        background: HU to begin with.
    """

    def __init__(self, geometry: Geometry, background: float) -> None:
        index = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.shape), indexing="ij"), axis=-1)
        self.points = geometry.to_world(index).astype(np.float32)
        self.voxels = np.full(geometry.shape, background, np.float32)
        # Occupancy rises over about one voxel, as if each voxel averaged what lies in it.
        self._edge_mm = geometry.voxel_size ** (1 / 3)

    def paint(self, depth: Depth, hu: float | npt.NDArray[np.floating]) -> None:
        """Lay a structure over what is there; a voxel half inside gets half of each."""
        share = np.clip(0.5 + depth / self._edge_mm, 0, 1)
        self.voxels += share * (hu - self.voxels)

    def ellipsoid(self, centre: npt.ArrayLike, radii: npt.ArrayLike) -> Depth:
        """Depth in an axis-aligned ellipsoid; centre and semi-axes in mm."""
        return ellipsoid(self.points, centre, radii)

    def capsule(self, start: npt.ArrayLike, end: npt.ArrayLike, radius: float) -> Depth:
        """Depth in a tube with round ends; points and radius in mm."""
        return capsule(self.points, start, end, radius)


def ellipsoid(points: npt.NDArray[np.floating], centre: npt.ArrayLike, radii: npt.ArrayLike) -> Depth:
    """Depth in an axis-aligned ellipsoid, first-order exact at its surface; shape (..., n) to (...)."""
    scaled = (points - np.asarray(centre, np.float32)) / np.asarray(radii, np.float32)
    level = np.sqrt(np.einsum("...i,...i->...", scaled, scaled))
    slope = scaled / np.asarray(radii, np.float32)
    steepness = np.sqrt(np.einsum("...i,...i->...", slope, slope)) / np.maximum(level, 1e-6)
    return np.asarray((1 - level) / np.maximum(steepness, 1e-6), np.float32)


def capsule(points: npt.NDArray[np.floating], start: npt.ArrayLike, end: npt.ArrayLike, radius: float) -> Depth:
    """Depth in a tube with round ends, exact; shape (..., n) to (...)."""
    first = np.asarray(start, np.float32)
    along = np.asarray(end, np.float32) - first
    offset = points - first
    share = np.clip(offset @ along / max(float(along @ along), 1e-6), 0, 1)
    nearest = offset - share[..., np.newaxis] * along
    return np.asarray(radius - np.sqrt(np.einsum("...i,...i->...", nearest, nearest)), np.float32)
