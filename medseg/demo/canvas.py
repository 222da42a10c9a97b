"""A volume that is painted structure by structure, with soft edges in place of partial volume."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medseg.geometry import Geometry

__all__ = ["Canvas", "Depth"]

Depth = npt.NDArray[np.float32]
"""How far inside a structure each voxel lies, in mm; negative outside."""
Point = Sequence[float] | npt.NDArray[np.floating]


class Canvas:
    """HU on a grid, and where each of its voxels lies in the patient.

    Args:
        geometry: A 3D grid.
        background: HU to begin with.
    """

    def __init__(self, geometry: Geometry, background: float) -> None:
        index = np.moveaxis(np.indices(geometry.shape), 0, -1)
        places = np.moveaxis(geometry.to_world(index), -1, 0)
        # One array an axis: arithmetic on these is several times as fast as on points of three numbers.
        self.x, self.y, self.z = np.ascontiguousarray(places, np.float32)
        self.voxels = np.full(geometry.shape, background, np.float32)
        # Occupancy rises over about one voxel, as if each voxel averaged what lies in it.
        self._edge_mm = geometry.voxel_size ** (1 / 3)

    def paint(self, depth: Depth, hu: float | npt.NDArray[np.floating]) -> None:
        """Lay a structure over what is there; a voxel half inside gets half of each."""
        share = np.clip(0.5 + depth / self._edge_mm, 0, 1)
        self.voxels += share * (hu - self.voxels)

    @property
    def points(self) -> npt.NDArray[np.float32]:
        """World mm of every voxel centre, shape (x, y, z, 3)."""
        return np.stack([self.x, self.y, self.z], axis=-1)

    def ellipsoid(self, centre: Point, radii: Point) -> Depth:
        """Depth in an axis-aligned ellipsoid, first-order exact at its surface; centre and semi-axes in mm."""
        level, slope = np.zeros((2, *self.x.shape), np.float32)
        for places, middle, radius in zip((self.x, self.y, self.z), centre, radii, strict=True):
            scaled = (places - np.float32(middle)) / np.float32(radius)
            level += scaled * scaled
            slope += (scaled / np.float32(radius)) ** 2
        level = np.maximum(np.sqrt(level), 1e-3)  # the quotient below has no value at the centre itself
        return np.asarray((1 - level) * level / np.maximum(np.sqrt(slope), 1e-3 / max(radii)), np.float32)

    def capsule(self, start: Point, end: Point, radius: float) -> Depth:
        """Depth in a tube with round ends, exact; points and radius in mm."""
        along = np.subtract(end, start, dtype=np.float32)
        offsets = [places - np.float32(n) for places, n in zip((self.x, self.y, self.z), start, strict=True)]
        share = sum(offset * step for offset, step in zip(offsets, along, strict=True)) / max(along @ along, 1e-6)
        share = np.clip(share, 0, 1)
        squares = sum((offset - share * step) ** 2 for offset, step in zip(offsets, along, strict=True))
        return np.asarray(radius - np.sqrt(squares), np.float32)
