"""Voxels looked up at any coordinates: images linearly, class indices at the nearest voxel.

Written with gathers and plain arithmetic in blocks that fit a core's cache: three times as fast as `grid_sample`, whose
3D form is not vectorised on CPUs (tests/benchmarks/augmentation.py). Every operation rounds by itself, so that the
result does not depend on how torch shares the work among threads.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

__all__ = ["gathered"]

_BLOCK = 1 << 16  # values in work at once


def gathered(
    image: torch.Tensor,
    targets: torch.Tensor,
    matrix: np.ndarray,
    patch: Sequence[int],
    displacement: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """A patch seen through an affine map about the centre.

    Args:
        image: float32, shape (C, *source, *rest); the axes `rest` are taken along as they are.
        targets: uint8, shape (L, *source, *rest).
        matrix: From an offset to the patch's centre to one from the source's centre, in voxels, shape (dims, dims).
        patch: Shape of the result along the axes of `source`.
        displacement: Added to the source's coordinates, voxels, shape (dims, *patch).

    Returns:
        Image (C, *patch, *rest) and targets (L, *patch, *rest). A coordinate outside the source takes its border.
    """
    dims, points = len(patch), math.prod(patch)
    source, rest = image.shape[1 : 1 + dims], image.shape[1 + dims :]
    strides = [math.prod(source[axis + 1 :]) for axis in range(dims)]
    flat = image.reshape(len(image), -1, *rest)
    marks = targets.reshape(len(targets), -1, *rest)
    seen = torch.empty(len(image), points, *rest)
    indices = torch.empty(len(targets), points, *rest, dtype=torch.uint8)
    per_row = math.prod(patch[1:])
    rows = max(1, _BLOCK // (per_row * math.prod(rest)))
    for first in range(0, patch[0], rows):
        some = slice(first, min(first + rows, patch[0]))
        moved = None if displacement is None else displacement[:, some]
        at = _coordinates(matrix, patch, source, some, moved)
        block = slice(some.start * per_row, some.stop * per_row)
        nearest = _flat_index([c.round() for c in at], strides)
        low = [c.floor().clamp_(max=n - 2) for c, n in zip(at, source, strict=True)]
        weights = [(c - whole).view(-1, *[1] * len(rest)) for c, whole in zip(at, low, strict=True)]
        lowest = _flat_index(low, strides)
        for channel, into in zip(flat, seen, strict=True):
            into[block] = _linear(channel, lowest, strides, weights)
        for channel, into in zip(marks, indices, strict=True):
            into[block] = channel.index_select(0, nearest)
    return seen.view(len(image), *patch, *rest), indices.view(len(targets), *patch, *rest)


def _coordinates(
    matrix: np.ndarray,
    patch: Sequence[int],
    source: Sequence[int],
    rows: slice,
    displacement: torch.Tensor | None,
) -> list[torch.Tensor]:
    """Source coordinates along each of its axes, each of shape (rows, *patch[1:])."""
    offsets = [torch.arange(n, dtype=torch.float32) - (n - 1) / 2 for n in patch]
    offsets[0] = offsets[0][rows]
    found = []
    for axis, n in enumerate(source):
        at = torch.tensor((n - 1) / 2)
        for along, offset in enumerate(offsets):
            part = offset * float(matrix[axis, along])
            at = at + part.view(-1, *[1] * (len(patch) - 1 - along))
        if displacement is not None:
            at = at + displacement[axis]
        found.append(at.clamp_(0, n - 1))
    return found


def _flat_index(whole: Sequence[torch.Tensor], strides: Sequence[int]) -> torch.Tensor:
    """Positions in the flattened source, of whole coordinates; int64, since large sources pass 2^31 voxels."""
    flat = whole[-1].to(torch.int64)
    for at, stride in zip(whole[:-1], strides[:-1], strict=True):
        flat += at.to(torch.int64).mul_(stride)
    return flat.view(-1)


def _linear(
    flat: torch.Tensor, lowest: torch.Tensor, strides: Sequence[int], weights: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Multilinear interpolation between the corners of the cells that begin at `lowest`."""
    if not strides:
        return flat.index_select(0, lowest)
    near = _linear(flat, lowest, strides[1:], weights[1:])
    far = _linear(flat[strides[0] :], lowest, strides[1:], weights[1:])
    return far.sub_(near).mul_(weights[0]).add_(near)
