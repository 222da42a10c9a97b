"""The highest mean of a channel over a sphere of 1 ml whose centre lies in a region."""

import math
from itertools import product

import numpy as np

from medseg.geometry import Geometry
from medseg.regions.measured import BLOCK

__all__ = ["PEAK_RADIUS_MM", "sphere_peak"]

PEAK_RADIUS_MM = (3 * 1000 / (4 * math.pi)) ** (1 / 3)  # of 1 ml: 6.204 mm
_EDGE_MM = 1e-6  # by which rounding may put a centre outside the sphere on whose surface it lies


def sphere_peak(voxels: np.ndarray, mask: np.ndarray, start: tuple[int, ...], geometry: Geometry) -> float:
    """The global intensity peak (IBSI 0F91; of SUV: SUVpeak, Wahl 2009).

    A sphere is centred on each voxel of the region in turn; the voxels whose centres lie in it count, those outside
    the region too, but none beyond the image and none that is not finite.

    Args:
        voxels: A channel on the whole grid, shape (x, y, z).
        mask: The region in its box, boolean.
        start: Where the box begins.
        geometry: The whole grid; its spacing must be known.

    Returns:
        The highest of the means; NaN where no voxel is finite.
    """
    steps = _sphere(geometry)
    reach = tuple(int(n) for n in np.abs(steps).max(axis=0))
    rows = max(1, BLOCK // max(1, math.prod(n + 2 * r for n, r in zip(mask.shape[1:], reach[1:], strict=True))))
    best = math.nan
    for first in range(0, len(mask), rows):
        centres = mask[first : first + rows]
        if centres.any():
            corner = (start[0] + first, *start[1:])
            means = _means(voxels, corner, centres.shape, steps, reach)[centres]
            means = means[np.isfinite(means)]
            best = np.fmax(best, means.max(initial=-math.inf)) if means.size else best
    return float(best)


def _sphere(geometry: Geometry) -> np.ndarray:
    """The steps from a voxel to those whose centres are in the sphere around it, shape (n, 3)."""
    axes = geometry.affine[:-1, :-1]
    reach = np.floor(PEAK_RADIUS_MM * np.sqrt(np.diag(np.linalg.inv(axes.T @ axes)))).astype(int)
    steps = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    return steps[np.linalg.norm(steps @ axes.T, axis=1) <= PEAK_RADIUS_MM + _EDGE_MM]


def _means(
    voxels: np.ndarray, corner: tuple[int, ...], shape: tuple[int, ...], steps: np.ndarray, reach: tuple[int, ...]
) -> np.ndarray:
    """The mean over the sphere around each voxel of a box; NaN where it holds no finite voxel."""
    values = np.zeros([n + 2 * r for n, r in zip(shape, reach, strict=True)])
    counted = np.zeros(values.shape, bool)
    ends = zip(corner, shape, reach, voxels.shape, strict=True)
    source = tuple(slice(max(0, a - r), min(whole, a + n + r)) for a, n, r, whole in ends)
    target = tuple(
        slice(part.start - a + r, part.stop - a + r) for part, a, r in zip(source, corner, reach, strict=True)
    )
    values[target] = voxels[source]
    counted[target] = np.isfinite(values[target])
    values[~counted] = 0
    totals, counts = np.zeros(shape), np.zeros(shape)
    whole = bool(counted.all())
    for step in steps:
        part = tuple(slice(r + s, r + s + n) for r, s, n in zip(reach, step, shape, strict=True))
        totals += values[part]
        if not whole:
            counts += counted[part]
    if whole:
        return totals / len(steps)
    return np.divide(totals, counts, out=np.full(shape, np.nan), where=counts > 0)
