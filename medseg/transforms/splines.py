"""Resampling of images by cubic B-splines: a product with one banded matrix along each axis.

The matrix of an axis is scipy's spline zoom of the identity, so that the result is that of
`scipy.ndimage.zoom(order=3, mode="nearest", grid_mode=True)`, of scikit-image's `resize` and so of nnU-Net, in a tenth
of the time. Thick slices are another matter: a spline across them rings. There it is linear, as labels and logits are
(nnU-Net repeats the nearest slice).
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch

__all__ = ["THICK", "along_axis", "axis_matrix", "spline_orders", "spline_resize"]

THICK = 3.001  # a spacing more than 3 times the finest counts as thick slices, as in nnU-Net; rounding aside
_NOTHING = 1e-7  # weights below this are left out: less than float32 resolves
_ROWS = 64  # output voxels along an axis that one product gives


def spline_orders(native: Sequence[float] | None, target: Sequence[float] | None, dims: int) -> tuple[int, ...]:
    """The order of the spline along each axis: 1 across thick slices of either grid, else 3.

    Args:
        native: Voxel size of the image, `None` where unknown.
        target: Voxel size wanted, `None` where the plan is in pixels.
        dims: Number of axes.
    """
    grids = [grid for grid in (native, target) if native is not None and grid is not None]
    return tuple(1 if any(grid[axis] > THICK * min(grid) for grid in grids) else 3 for axis in range(dims))


def spline_resize(voxels: torch.Tensor, shape: Sequence[int], orders: Sequence[int]) -> torch.Tensor:
    """An image on a grid of another shape and the same extent.

    No value leaves the range of its channel, as in scikit-image: a spline overshoots at edges.

    Args:
        voxels: float32, shape (C, *spatial).
        shape: Spatial shape wanted.
        orders: Along each axis 3 or 1, see `spline_orders`.

    Returns:
        float32, shape (C, *shape). At most two arrays of the larger size are held beside the image.
    """
    native = voxels.shape[1:]
    changed = [axis for axis in range(len(shape)) if native[axis] != shape[axis]]
    if not changed:
        return voxels
    channels = []
    for channel in voxels.unbind():
        low, high = torch.aminmax(channel)
        resized = channel
        # The axis that shrinks most goes first, and leaves less to do for the others.
        for axis in sorted(changed, key=lambda axis: shape[axis] / native[axis]):
            resized = along_axis(resized, axis, axis_matrix(native[axis], shape[axis], orders[axis]))
        channels.append(resized.clamp_(low, high))
    return torch.stack(channels)


@lru_cache(maxsize=64)
def axis_matrix(native: int, wanted: int, order: int) -> np.ndarray:
    """The linear map of one axis, float64, shape (wanted, native); each row sums to 1. Order 0 takes the nearest."""
    if order == 0:
        nearest = np.floor((np.arange(wanted) + 0.5) * (native / wanted)).astype(int)
        return np.eye(native)[nearest.clip(0, native - 1)]
    from scipy.ndimage import zoom

    matrix = zoom(np.eye(native), (wanted / native, 1), order=order, mode="nearest", grid_mode=True)
    matrix[np.abs(matrix) < _NOTHING] = 0
    return matrix


def along_axis(voxels: torch.Tensor, axis: int, matrix: np.ndarray) -> torch.Tensor:
    """The product along one axis, block by block: a row of the matrix has some 30 weights that matter.

    Args:
        voxels: float32, contiguous.
        axis: Counted from the first, leading axes too.
        matrix: Shape (wanted, voxels along that axis).
    """
    shape = list(voxels.shape)
    before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
    source = voxels.reshape(before, shape[axis], after)
    result = voxels.new_empty(before, len(matrix), after)
    for first in range(0, len(matrix), _ROWS):
        rows = matrix[first : first + _ROWS]
        used = np.flatnonzero(rows.any(axis=0))
        span = slice(int(used[0]), int(used[-1]) + 1)
        block = torch.from_numpy(np.array(rows[:, span], order="C")).to(voxels)
        if after == 1:  # the last axis: one product of two matrices
            torch.matmul(source[:, span, 0], block.T, out=result[:, first : first + len(rows), 0])
        else:
            result[:, first : first + len(rows)] = torch.matmul(block, source[:, span])
    return result.reshape(*shape[:axis], len(matrix), *shape[axis + 1 :])
