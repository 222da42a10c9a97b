"""Patch, strides and kernels of a U-Net for images of a size and spacing."""

import math
from collections.abc import Sequence

import numpy as np

__all__ = ["SMALLEST", "divisible", "kernels_for", "patch_within", "strides_for"]

SMALLEST = 4  # no axis is halved below this many voxels
_LEVELS = 7


def patch_within(median: np.ndarray, steps: Sequence[float], budget: float) -> tuple[int, ...]:
    """The median image, made smaller along its longest physical side until it fits the budget.

    Args:
        median: Voxels along each axis.
        steps: Size of a voxel along each axis, in any unit.
        budget: Voxels in all.
    """
    patch = np.maximum(median, SMALLEST)
    while patch.prod() > budget:
        longest = int(np.argmax(patch * np.asarray(steps)))
        patch[longest] = math.ceil(patch[longest] * 0.95 - 1)
    return tuple(int(n) for n in patch)


def strides_for(patch: Sequence[int], steps: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """Halve the axes that are long enough; a coarse axis waits until the others are as coarse."""
    size, step = np.array(patch, dtype=float), np.array(steps, dtype=float)
    strides = [(1,) * len(patch)]
    while len(strides) < _LEVELS:
        halve = (size / 2 >= SMALLEST) & (step < 2 * step[size / 2 >= SMALLEST].min(initial=np.inf))
        if not halve.any():
            break
        strides.append(tuple(2 if h else 1 for h in halve))
        size, step = np.where(halve, size / 2, size), np.where(halve, step * 2, step)
    while len(strides) < 3:  # the smallest U-Net that MONAI builds
        strides.append((1,) * len(patch))
    return tuple(strides)


def kernels_for(strides: Sequence[Sequence[int]], steps: Sequence[float]) -> tuple[tuple[int, ...], ...]:
    """3 along each axis, but 1 across slices while they are more than twice as thick as pixels are wide."""
    step = np.array(steps, dtype=float)
    kernels = []
    for stride in strides:
        step = step * stride
        kernels.append(tuple(1 if s > 2 * step.min() else 3 for s in step))
    return tuple(kernels)


def divisible(patch: Sequence[int], factors: Sequence[int]) -> tuple[int, ...]:
    """The patch rounded up to multiples of the factors of its axes."""
    return tuple(int(math.ceil(n / f) * f) for n, f in zip(patch, factors, strict=True))
