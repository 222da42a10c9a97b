"""Resampling along one axis at a time, which is all that a change of size needs."""

import numpy as np

__all__ = ["interpolated", "picked"]


def interpolated(values: np.ndarray, axis: int, positions: np.ndarray) -> np.ndarray:
    """Linear interpolation along one axis at positions in voxels; beyond the ends the last value holds."""
    n = values.shape[axis]
    at = np.clip(positions, 0, n - 1)
    below = np.minimum(at.astype(np.intp), max(n - 2, 0))
    share = (at - below).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(values.ndim)])
    near = np.take(values, below, axis=axis)
    far = np.take(values, np.minimum(below + 1, n - 1), axis=axis)
    far -= near
    far *= share
    far += near
    return far


def picked(values: np.ndarray, axis: int, positions: np.ndarray) -> np.ndarray:
    """The nearest value along one axis at positions in voxels."""
    nearest = np.clip(np.rint(positions).astype(np.intp), 0, values.shape[axis] - 1)
    return np.take(values, nearest, axis=axis)
