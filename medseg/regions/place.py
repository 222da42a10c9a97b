"""Place of a region: its centre, its bounding box, and whether it reaches the edge of the image."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from medseg.geometry import Geometry
from medseg.regions.components import Region
from medseg.regions.measured import Measured
from medseg.regions.schema import Column

__all__ = ["columns", "measure"]

_WAYS = (("x", "right"), ("y", "anterior"), ("z", "superior"))
_BOX = (("start", "First voxel index of the bounding box"), ("size", "Voxels of the bounding box"))


def columns(channels: Sequence[str] = ()) -> tuple[Column, ...]:
    """Columns of place."""
    world = tuple(
        Column(f"centroid_{axis}_mm", "mm", "float64", f"Mean of its voxel centres along {way} (RAS+); empty in 2D.")
        for axis, way in _WAYS
    )
    index = tuple(
        Column(f"centroid_{axis}", "voxels", "float64", f"The same as voxel index on array axis {n}, counted from 0.")
        for n, axis in enumerate("ijk")
    )
    box = tuple(
        Column(f"box_{part}_{axis}", "voxels", "Int64" if axis == "k" else "int64", f"{meaning} on array axis {n}.")
        for part, meaning in _BOX
        for n, axis in enumerate("ijk")
    )
    border = Column("touches_border", "", "bool", "Whether it reaches the edge of the image, so may go on beyond it.")
    return (*world, *index, *box, border)


def measure(found: Measured) -> dict[str, Any]:
    """Their values."""
    region, geometry = found.region, found.whole
    centroid = _centre(found.mask) / region.voxels + region.start
    row: dict[str, Any] = {f"centroid_{axis}": value for axis, value in zip("ijk", centroid, strict=False)}
    if geometry.ndim == 3 and geometry.spacing_known:
        row |= {f"centroid_{axis}_mm": value for axis, value in zip("xyz", geometry.to_world(centroid), strict=True)}
    for axis, start, size in zip("ijk", region.start, region.size, strict=False):
        row |= {f"box_start_{axis}": start, f"box_size_{axis}": size}
    return row | {"touches_border": _touches_border(region, geometry)}


def _touches_border(region: Region, geometry: Geometry) -> bool:
    """An axis of a single voxel (one slice) does not count: everything would touch there."""
    return any(
        start == 0 or start + size == n
        for start, size, n in zip(region.start, region.size, geometry.shape, strict=True)
        if n > 1
    )


def _centre(mask: np.ndarray) -> np.ndarray:
    """Sum of the indices of all true voxels along each axis: whole numbers, exact in float64."""
    axes = range(mask.ndim)
    counts = [mask.sum(axis=tuple(i for i in axes if i != axis)) for axis in axes]
    return np.array([float(np.arange(len(count)) @ count) for count in counts])
