"""An image as nnU-Net prepares it, a few planes at a time: cropped, normalised, resampled; never whole as floats.

Resampling is the product with one matrix an axis, as in `medseg.transforms.splines`. What nnU-Net resamples slice by
slice is kept within the range of each slice, else within that of the channel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from medseg.inference.nnunet.normalising import Moments, Rule, normalise
from medseg.inference.nnunet.resampling import nearest_planes
from medseg.transforms.prepare import Restoration
from medseg.transforms.splines import axis_matrix

__all__ = ["NnUNetPlanes", "Source", "chunks", "finite"]

_VOXELS = 1 << 22  # of a channel that are made floats at once


def chunks(shape: Sequence[int]) -> Iterator[slice]:
    """Runs of planes along the first axis that hold some millions of voxels each."""
    step = max(1, _VOXELS // max(1, int(np.prod(shape[1:]))))
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))


def finite(voxels: np.ndarray) -> np.ndarray:
    """A copy as float32 in which what is not a number is 0."""
    copied = np.array(voxels, dtype=np.float32, order="C")
    if voxels.dtype.kind in "iu":
        return copied
    return np.nan_to_num(copied, copy=False, nan=0.0, posinf=0.0, neginf=0.0)


@dataclass(frozen=True, eq=False)
class Source:
    """The cropped image in its stored type, and how its channels are normalised.

    Args:
        voxels: Turned and cropped, shape (C, *kept); a view of the image.
        rules: Of the channels.
        moments: Of the channels.
        inside: Where rules are masked, what lies in the body, bool, shape kept.
    """

    voxels: np.ndarray
    rules: tuple[Rule, ...]
    moments: tuple[Moments, ...]
    inside: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape."""
        return self.voxels.shape[1:]

    def part(self, axis: int, start: int, stop: int) -> torch.Tensor:
        """Normalised planes [start, stop) along an axis, float32, shape (C, *kept cut)."""
        cut = (*(slice(None),) * axis, slice(start, stop))
        inside = None if self.inside is None else torch.from_numpy(np.ascontiguousarray(self.inside[cut]))
        channels = zip(self.voxels, self.rules, self.moments, strict=True)
        return torch.stack(
            [normalise(torch.from_numpy(finite(channel[cut])), rule, own, inside) for channel, rule, own in channels]
        )


class NnUNetPlanes:
    """Planes of an image on the grid of a network of nnU-Net's; see `medseg.transforms.planes.Planes`.

    Args:
        source: The cropped image.
        restoration: The way back.
        orders: Of the spline along each axis; 0 repeats the nearest plane.
        by_torch: Whether the nearest plane is PyTorch's, else SciPy's.
        notes: What the user should know of the preparation.
    """

    def __init__(
        self,
        source: Source,
        restoration: Restoration,
        orders: Sequence[int],
        *,
        by_torch: bool = False,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.shape = restoration.working_shape
        self.channels = len(source.voxels)
        self.restoration = restoration
        self.notes = notes
        self._source, self._by_torch = source, by_torch
        resampled = self.shape != source.shape
        # nnU-Net takes an image that has its shape already as it is; a plane of itself is the nearest to itself.
        self._orders = tuple(order if resampled and n != m else None for order, n, m in self._grids(orders))
        self._thick = next((axis for axis, order in enumerate(orders) if order == 0), None)
        self._limits = self._measured_limits() if 3 in self._orders else None
        self._held: tuple[int, int, torch.Tensor] | None = None  # axis, first native plane, planes

    def read(self, axis: int, start: int, stop: int) -> torch.Tensor:
        """Planes [start, stop) along an axis, float32, shape (C, *shape cut)."""
        order = self._orders[axis]
        if order is None:
            planes = self._across(axis, start, stop)
        elif order == 0:
            wanted = self._nearest(axis)[start:stop]
            planes = self._across(axis, int(wanted[0]), int(wanted[-1]) + 1)
            planes = planes.index_select(1 + axis, torch.from_numpy(wanted - wanted[0]))
        else:
            rows = self._matrix(axis)[start:stop]
            used = np.flatnonzero(rows.any(axis=0))
            first, past = int(used[0]), int(used[-1]) + 1
            planes = _mapped(self._across(axis, first, past), 1 + axis, rows[:, first:past])
        return self._limited(planes, axis, start, stop)

    def _across(self, axis: int, first: int, past: int) -> torch.Tensor:
        """Native planes [first, past) along an axis, resampled along all others; kept for what is read next."""
        ready: list[torch.Tensor] = []
        new = first
        if self._held is not None and self._held[0] == axis:
            _, held_first, held = self._held
            held_past = held_first + held.shape[1 + axis]
            if held_first <= first < held_past:
                new = min(held_past, past)
                ready = [held.narrow(1 + axis, first - held_first, new - first)]
        if new < past:
            planes = self._source.part(axis, new, past)
            for other, order in enumerate(self._orders):
                if other == axis or order is None:
                    continue
                if order == 0:
                    planes = planes.index_select(1 + other, torch.from_numpy(self._nearest(other)))
                else:
                    planes = _mapped(planes, 1 + other, self._matrix(other))
            ready.append(planes)
        joined = torch.cat(ready, 1 + axis) if len(ready) > 1 else ready[0]
        self._held = (axis, first, joined)
        return joined

    def _limited(self, planes: torch.Tensor, axis: int, start: int, stop: int) -> torch.Tensor:
        if self._limits is None:
            return planes
        low, high = self._limits
        if self._thick == axis:
            low, high = (limit.narrow(1 + axis, start, stop - start) for limit in (low, high))
        return planes.clamp(low, high)

    def _measured_limits(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Least and greatest value that planes may have, shape (C, 1, ...), one a plane of a thick axis."""
        along = 0 if self._thick is None else self._thick
        others = tuple(1 + axis for axis in range(len(self.shape)) if axis != along)
        lows, highs = [], []
        for run in chunks(np.moveaxis(self._source.voxels[0], along, 0).shape):
            part = self._source.part(along, run.start, run.stop)
            lows.append(part.amin(others, keepdim=True))
            highs.append(part.amax(others, keepdim=True))
        low, high = torch.cat(lows, 1 + along), torch.cat(highs, 1 + along)
        if self._thick is None:
            return low.amin(1 + along, keepdim=True), high.amax(1 + along, keepdim=True)
        if self._orders[along] is None:
            return low, high
        wanted = torch.from_numpy(self._nearest(along))
        return low.index_select(1 + along, wanted), high.index_select(1 + along, wanted)

    def _grids(self, orders: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        return zip(orders, self._source.shape, self.shape, strict=True)

    def _matrix(self, axis: int) -> np.ndarray:
        return axis_matrix(self._source.shape[axis], self.shape[axis], self._orders[axis] or 1)

    def _nearest(self, axis: int) -> np.ndarray:
        return nearest_planes(self._source.shape[axis], self.shape[axis], self._by_torch)


def _mapped(voxels: torch.Tensor, dim: int, rows: np.ndarray) -> torch.Tensor:
    """The product along one dimension with a matrix of shape (wanted, there)."""
    matrix = torch.from_numpy(np.ascontiguousarray(rows)).to(voxels)
    return torch.tensordot(voxels, matrix, dims=([dim], [1])).movedim(-1, dim)
