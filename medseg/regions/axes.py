"""The principal axes of a region: those of an ellipsoid (ellipse in 2D) with the moments of its voxel centres."""

import math
from dataclasses import dataclass

import numpy as np

from medseg.geometry import Geometry

__all__ = ["Axes", "principal_axes"]

_BLOCK = 1 << 20  # voxels of a mask looked at at once
_SAME = 1e-9  # share by which moments differ that are one but for rounding


@dataclass(frozen=True, eq=False)
class Axes:
    """Principal axes, the longest first.

    Args:
        lengths: 4 √λ of the covariance of the voxel centres, in mm; in px where the spacing is unknown.
        direction: Unit vector along the longest, RAS+, its last component that is not 0 above 0; not a number where
            no axis is longer than all others.
    """

    lengths: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def elongation(self) -> float:
        """Second over longest axis: 1 for a round region; not a number for a single voxel."""
        return self.lengths[1] / self.lengths[0] if self.lengths[0] else math.nan

    @property
    def flatness(self) -> float:
        """Least over longest axis: 0 for a flat region; not a number for a single voxel."""
        return self.lengths[-1] / self.lengths[0] if self.lengths[0] else math.nan


def principal_axes(mask: np.ndarray, geometry: Geometry) -> Axes:
    """Principal axes of a region (IBSI, Zwanenburg 2016, 3.1.12 to 3.1.16).

    The covariance is divided by n - 1: the consensus values of IBSI's digital phantom (n = 74) are met so, and missed
    by the division by n of PyRadiomics, whose axes are shorter by √((n - 1) / n). Elongation and flatness are the same.

    Args:
        mask: One region, boolean, shape (x, y[, z]).
        geometry: Its grid.
    """
    steps = geometry.affine[:-1, :-1]
    moments, vectors = np.linalg.eigh(steps @ _covariance(mask) @ steps.T)
    largest = float(moments[-1])
    moments = np.where(moments > largest * _SAME, moments, 0.0)[::-1]
    lone = moments[1] < largest * (1 - _SAME)
    return Axes(
        tuple(4 * math.sqrt(moment) for moment in moments), _upwards(vectors[:, -1]) if lone else _nowhere(mask)
    )


def _covariance(mask: np.ndarray) -> np.ndarray:
    """Of the indices of the true voxels, divided by n - 1; 0 for a single one."""
    count, total, products = 0, np.zeros(mask.ndim), np.zeros((mask.ndim, mask.ndim))
    middle = (np.array(mask.shape) - 1) / 2  # near the mean, so that little is lost in the difference below
    rows = max(1, _BLOCK // math.prod(mask.shape[1:]))
    for start in range(0, len(mask), rows):
        points = np.stack(mask[start : start + rows].nonzero(), axis=1) - middle
        points[:, 0] += start
        count += len(points)
        total += points.sum(axis=0)
        products += points.T @ points
    return np.asarray((products - np.outer(total, total) / count) / max(1, count - 1))


def _upwards(vector: np.ndarray) -> tuple[float, ...]:
    """Of the two directions of a line the one that points up: superior, else anterior, else to the right."""
    vector = np.where(np.abs(vector) > _SAME, vector, 0.0)
    sign = np.sign(vector[np.flatnonzero(vector)[-1]])
    return tuple(float(n) for n in vector * sign)


def _nowhere(mask: np.ndarray) -> tuple[float, ...]:
    return (math.nan,) * mask.ndim
