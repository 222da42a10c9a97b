"""Smooth random displacements between control points."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Elastic"]


@dataclass(frozen=True, slots=True)
class Elastic:
    """Cubic B-splines over a grid of control points that are displaced at random (Rueckert 1999).

    They are partitions of unity, so that no voxel moves further than a control point. Where those move by less than
    0.4 of their spacing nothing folds (Choi and Lee 2000, Injectivity conditions of uniform cubic B-spline functions).

    Args:
        spacing: Between control points, as a share of the patch.
        strength: Largest displacement of a control point, as a share of that spacing.
        seed: Of the displacements.
    """

    spacing: float
    strength: float
    seed: int

    def bound(self, patch: Sequence[int]) -> np.ndarray:
        """The largest displacement along each axis, in voxels."""
        return np.array([self.strength * self.spacing * n for n in patch])

    def field(self, patch: Sequence[int]) -> np.ndarray:
        """Displacements in voxels, float32, shape (dims, *patch)."""
        splines = [_splines(n, self.spacing * n) for n in patch]
        shape = (len(patch), *(spline.shape[1] for spline in splines))
        field = np.random.default_rng(self.seed).uniform(-1, 1, shape).astype(np.float32)
        for axis, (spline, bound) in enumerate(zip(splines, self.bound(patch), strict=True)):
            field[axis] *= bound
            # not by a matrix product, whose sums may depend on the number of threads
            field = np.moveaxis(np.einsum("pc,c...->p...", spline, np.moveaxis(field, axis + 1, 0)), 0, axis + 1)
        return np.ascontiguousarray(field)


def _splines(n: int, spacing: float) -> np.ndarray:
    """The weight of each control point at each of `n` voxels, shape (n, points)."""
    place = np.arange(n) / spacing
    points = math.floor(place[-1]) + 4
    away = np.abs(place[:, np.newaxis] - (np.arange(points) - 1))
    inner = 2 / 3 - away**2 + away**3 / 2
    outer = np.clip(2 - away, 0, None) ** 3 / 6
    return np.where(away < 1, inner, outer).astype(np.float32)
