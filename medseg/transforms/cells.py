"""Labels on the native grid from logits on the working grid, interpolated only where neighbours disagree.

A cell is what lies between two working voxels along each axis. Within it a linear interpolation is a convex
combination of the values at its corners: where one class is the largest at all of them, it is so everywhere between.
Those cells are filled with it, and the others alone are interpolated.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Self

import numpy as np
import torch

__all__ = ["AxisCells", "axis_cells", "labels_by_cells", "winners"]

_BLOCK = 1 << 17  # voxels whose classes are compared at once: they stay in the cache
_CORNERS = 1 << 22  # values at corners of cells that are held at once
_MOST_MIXED = 0.4  # share of mixed cells above which interpolating everything is as quick


@dataclass(frozen=True, eq=False)
class AxisCells:
    """The cells of one axis, one more than its working voxels (the ends are half), and the native voxels in each.

    Args:
        changed: Whether there is anything to interpolate along this axis.
        before: Working voxel at which each cell begins, int64, shape (cells,).
        after: That at which it ends, likewise; the same as `before` where nothing is to be interpolated.
        cell: The cell of each native voxel, int64, shape (native,), in the order of the mask's memory.
        place: Native voxels in each cell, int64, shape (most, cells); the last is repeated where there are fewer.
        weight: Share of `after` in each of those, float32, shape (most, cells).
        filled: Whether a cell holds any, shape (cells,).
    """

    changed: bool
    before: torch.Tensor
    after: torch.Tensor
    cell: torch.Tensor
    place: torch.Tensor
    weight: torch.Tensor
    filled: torch.Tensor

    def part(self, begin: int, end: int) -> Self:
        """The cells of native voxels [begin, end), which fill them; working voxels are counted from their first."""
        first, past = int(self.cell[begin]), int(self.cell[end - 1]) + 1
        least = self.before[first]
        return replace(
            self,
            before=self.before[first:past] - least,
            after=self.after[first:past] - least,
            cell=self.cell[begin:end] - first,
            place=(self.place[:, first:past] - begin).clamp(0, end - begin - 1),
            weight=self.weight[:, first:past],
            filled=self.filled[first:past],
        )

    def on(self, device: torch.device) -> Self:
        """The same on a device."""
        tensors = ("before", "after", "cell", "place", "weight", "filled")
        return replace(self, **{name: getattr(self, name).to(device) for name in tensors})


def axis_cells(working: int, native: int, *, flipped: bool = False) -> AxisCells:
    """The cells of one axis for torch's linear interpolation without aligned corners.

    Args:
        working: Voxels of the grid of the logits.
        native: Voxels of the grid of the mask, over the same extent.
        flipped: The mask's memory runs the other way.
    """
    order = np.arange(native)
    if working == native:
        before = after = order
        cell, share = order, np.zeros(native, np.float32)
    else:
        ends = np.arange(working + 1)
        before, after = np.maximum(ends - 1, 0), np.minimum(ends, working - 1)
        source = np.float32(working / native) * (order.astype(np.float32) + np.float32(0.5)) - np.float32(0.5)
        cell = np.clip(np.floor(source).astype(int) + 1, 0, working)
        share = np.clip(source - (cell - 1), 0, 1).astype(np.float32)
    count = np.bincount(cell, minlength=len(before))
    first = np.cumsum(count) - count
    inside = np.minimum(np.arange(count.max())[:, None], np.maximum(count - 1, 0))
    place = np.minimum(first + inside, native - 1)
    weight = share[place]
    if flipped:
        place, cell = native - 1 - place, cell[::-1].copy()
    tables = (torch.from_numpy(each) for each in (before, after, cell, place, weight, count > 0))
    return AxisCells(working != native, *tables)


def winners(logits: torch.Tensor, *, exclusive: bool) -> torch.Tensor:
    """The class of the largest logit, or where a label has half at least; uint8, shape of `logits` without its first.

    The first of equals wins. The result lies in memory as the logits do.
    """
    if not exclusive:
        return (logits[0] >= 0).view(torch.uint8)
    slowest = max(range(1, logits.ndim), key=lambda axis: (logits.stride(axis), logits.shape[axis]))
    found = torch.empty_like(logits[0], dtype=torch.uint8)
    step = max(1, _BLOCK * logits.shape[slowest] // max(1, found.numel()))
    if logits.is_cuda:
        step = logits.shape[slowest]
    for begin in range(0, logits.shape[slowest], step):
        size = min(step, logits.shape[slowest] - begin)
        block = logits.narrow(slowest, begin, size)
        found.narrow(slowest - 1, begin, size).copy_(_largest(block))
    return found


def _largest(logits: torch.Tensor) -> torch.Tensor:
    best = logits[0]
    found = torch.zeros_like(best, dtype=torch.uint8)
    for index in range(1, len(logits)):
        better = (logits[index] > best).view(torch.uint8)
        torch.maximum(found, better.mul_(index), out=found)
        if index + 1 < len(logits):
            best = torch.maximum(best, logits[index])
    return found


def labels_by_cells(logits: torch.Tensor, axes: Sequence[AxisCells], *, exclusive: bool) -> torch.Tensor | None:
    """Labels of all native voxels of the cells, or `None` where so many are mixed that this would not be quicker.

    Args:
        logits: float32, shape (classes, *working), any strides; of one label, shape (1, *working), where not exclusive.
        axes: The cells along each axis.
        exclusive: As for `winners`.

    Returns:
        uint8, shape (*native), contiguous.
    """
    low = high = winners(logits, exclusive=exclusive).contiguous()
    for axis, cells in enumerate(axes):
        if cells.changed:
            low, high = _pooled(low, axis, cells, torch.minimum), _pooled(high, axis, cells, torch.maximum)
    mixed = low != high
    for axis, cells in enumerate(axes):
        if cells.changed and not bool(cells.filled.all()):
            mixed &= cells.filled.view(-1, *(1,) * (len(axes) - axis - 1))
    places = torch.nonzero(mixed.view(-1))[:, 0]
    if len(places) > _MOST_MIXED * mixed.numel():
        return None
    native = _spread(low, axes)
    corners = 2 ** sum(cells.changed for cells in axes)
    step = max(1, _CORNERS // (corners * len(logits)))
    for begin in range(0, len(places), step):
        _Mixed(logits, axes, native, exclusive).fill(places[begin : begin + step], mixed.shape)
    return native


def _pooled(labels: torch.Tensor, axis: int, cells: AxisCells, pool: Callable[..., torch.Tensor]) -> torch.Tensor:
    """The least or largest label at both ends of each cell along an axis."""
    ends = [labels]
    if cells.before[0] == cells.after[0]:
        ends.insert(0, labels.narrow(axis, 0, 1))
    if len(cells.before) > 1 and cells.before[-1] == cells.after[-1]:
        ends.append(labels.narrow(axis, labels.shape[axis] - 1, 1))
    padded = torch.cat(ends, axis)
    count = len(cells.before)
    return pool(padded.narrow(axis, 0, count), padded.narrow(axis, 1, count))


def _spread(values: torch.Tensor, axes: Sequence[AxisCells]) -> torch.Tensor:
    """Each native voxel's value is that of its cell."""
    for axis in reversed(range(len(axes))):
        cell = axes[axis].cell
        if axis == len(axes) - 1:
            values = values.gather(axis, cell.expand(*values.shape[:-1], len(cell)))
        else:
            values = values.index_select(axis, cell)
    return values


class _Mixed:
    """Fills mixed cells: their corners are gathered once, and interpolated for one native voxel of each at a time."""

    def __init__(self, logits: torch.Tensor, axes: Sequence[AxisCells], native: torch.Tensor, exclusive: bool) -> None:
        self.logits, self.axes, self.native, self.exclusive = logits, axes, native, exclusive

    def fill(self, places: torch.Tensor, shape: Sequence[int]) -> None:
        """Cells by their place in all of them, whose numbers along each axis are `shape`."""
        cells = []
        for size in reversed(shape):
            cells.append(places % size)
            places = places // size
        self.cells = cells[::-1]
        self._interpolate(self._corners(), 0, None)

    def _corners(self) -> torch.Tensor:
        """Values at the corners of the cells, float32, shape (classes, 2 for each changed axis ..., cells)."""
        where = torch.zeros((1, len(self.cells[0])), dtype=torch.int64, device=self.logits.device)
        for axis, (cells, at) in enumerate(zip(self.axes, self.cells, strict=True)):
            step = self.logits.stride(1 + axis)
            ends = (cells.before, cells.after) if cells.changed else (cells.before,)
            both = torch.stack([(end * step).index_select(0, at) for end in ends])
            where = (where[:, None] + both).view(-1, len(at))
        span = 1 + sum((n - 1) * step for n, step in zip(self.logits.shape[1:], self.logits.stride()[1:], strict=True))
        values = self.logits.new_empty((len(self.logits), where.numel()))
        for logits, out in zip(self.logits, values, strict=True):
            torch.index_select(logits.as_strided((span,), (1,)), 0, where.view(-1), out=out)
        sides = [2] * sum(cells.changed for cells in self.axes)
        return values.view(len(values), *sides, -1)

    def _interpolate(self, values: torch.Tensor, axis: int, place: torch.Tensor | None) -> None:
        """Along one axis after another: at each the values of both ends become those of each native voxel between."""
        if axis == len(self.axes):
            assert place is not None
            self.native.view(-1).scatter_(0, place, winners(values, exclusive=self.exclusive))
            return
        cells, at = self.axes[axis], self.cells[axis]
        step = prod(self.native.shape[axis + 1 :])
        for native, weight in zip(cells.place * step, cells.weight, strict=True):
            here = native.index_select(0, at)
            between = values
            if cells.changed:
                between = torch.lerp(values[:, 0], values[:, 1], weight.index_select(0, at))
            self._interpolate(between, axis + 1, here if place is None else place + here)
