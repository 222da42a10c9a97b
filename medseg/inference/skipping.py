"""Windows that see nothing but air, of which the network need answer one alone."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from medseg.image import Image
from medseg.inference.windows import Tiling
from medseg.plan import Plan
from medseg.transforms.prepare import Restoration

__all__ = ["air_limits", "windows_in_air"]

_BLOCK = 8  # native voxels along each axis that are looked at as one
_MARGIN = 4  # native voxels round a window that reach into it by resampling


def air_limits(image: Image, plan: Plan) -> tuple[float, ...] | None:
    """Up to which value a voxel of each channel is air; `None` where no such value is known.

    In CT and MR what lies above belongs to the body. A radiograph has a black border: its own lowest value.
    """
    if plan.preparation:  # it may change intensities, and has taken the border away already
        return None
    if plan.crop_above is not None:
        return (plan.crop_above,) * image.channels
    if plan.dims == 2:
        return tuple(float(channel.min()) for channel in image.voxels)
    return None


def windows_in_air(
    voxels: np.ndarray, limits: Sequence[float], restoration: Restoration, tiling: Tiling
) -> Callable[[tuple[int, ...]], bool]:
    """Tells of a window, by its corner in the padded working volume, whether all native voxels under it are air.

    Args:
        voxels: Native, shape (C, x, y[, z]).
        limits: Of each channel; what is not a number is not air.
        restoration: Where the working volume lies in the native one.
        tiling: The windows.
    """
    kept = (slice(None), *restoration.box)
    blocks = np.logical_or.reduce(
        [_blocks(channel, limit) for channel, limit in zip(restoration.turn.apply(voxels)[kept], limits, strict=True)]
    )
    shape = restoration.working_shape
    natives = tuple(side.stop - side.start for side in restoration.box)
    before = tiling.before(shape)

    def in_air(place: tuple[int, ...]) -> bool:
        spans = []
        for axis, start in enumerate(place):
            zoom = natives[axis] / shape[axis]
            margin = max(_MARGIN, zoom)
            low = (start - before[axis]) * zoom - margin
            high = (start - before[axis] + tiling.patch[axis]) * zoom + margin
            spans.append(slice(max(0, math.floor(low)) // _BLOCK, math.ceil(high / _BLOCK)))
        return not blocks[tuple(spans)].any()

    return in_air


def _blocks(channel: np.ndarray, limit: float) -> np.ndarray:
    """Whether any voxel of a block is above the limit, or not a number; a few planes at a time, in memory order."""
    order = sorted(range(channel.ndim), key=lambda axis: -abs(channel.strides[axis]))
    moved = channel.transpose(order)
    rows = []
    for start in range(0, len(moved), _BLOCK):
        row = (~(moved[start : start + _BLOCK] <= limit)).any(0)
        for axis in range(row.ndim):
            row = np.logical_or.reduceat(row, range(0, row.shape[axis], _BLOCK), axis=axis)
        rows.append(row)
    return np.stack(rows).transpose(np.argsort(order))
