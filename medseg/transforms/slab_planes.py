"""An image on the network's grid, made from its stored voxels a few planes at a time.

No float copy of the volume is ever made: of the native planes under those asked for each is normalised and brought to
the working grid in its own plane once, kept for as long as a plane to come needs it, and the asked ones are sums of
these (the spline along the axis has some 30 weights).
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch

from medseg.image import Image
from medseg.plan import Plan
from medseg.transforms.pointwise import Pointwise, channel_range, finite_block, pointwise, stored_body_box
from medseg.transforms.prepare import Restoration, require_fit
from medseg.transforms.splines import along_axis, axis_matrix, spline_orders

__all__ = ["SlabPlanes", "slab_planes"]

_BLOCK = 1 << 21  # native voxels that are made float at once


class SlabPlanes:
    """Planes made from a native image when they are asked for; see `Planes`.

    Args:
        voxels: Native, shape (C, *native), any dtype and strides, perhaps memory-mapped.
        restoration: Orientation, box and working shape.
        rules: How each channel is normalised.
        orders: Along each working axis 3 (cubic spline), 1 (linear) or 0 (the nearest). Cubic planes keep to the range
            of their channel; with order 0 along an axis, as nnU-Net has it for thick slices, to that of their slice.
        notes: What a step of preparation did not find.
    """

    def __init__(
        self,
        voxels: np.ndarray,
        restoration: Restoration,
        rules: Sequence[Pointwise],
        orders: Sequence[int],
        notes: tuple[str, ...] = (),
    ) -> None:
        self.restoration, self.notes = restoration, notes
        self._kept = restoration.turn.apply(voxels)[(slice(None), *restoration.box)]
        self._rules, self._orders = tuple(rules), tuple(orders)
        self._axis = -1
        self._last: tuple[int, torch.Tensor] | None = None
        self._ring: tuple[int, torch.Tensor] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Working shape."""
        return self.restoration.working_shape

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self._kept.shape[0]

    def read(self, axis: int, start: int, stop: int) -> torch.Tensor:
        """Planes [start, stop) along an axis, float32, shape (C, *shape with that axis cut); not to be written to."""
        if axis != self._axis:
            self._axis, self._last, self._ring = axis, None, None
        first, known = self._last if self._last is not None else (start, None)
        if known is None or not first <= start <= first + known.shape[1 + axis]:
            planes = self._made(axis, start, stop)
        else:
            past = first + known.shape[1 + axis]
            planes = known.narrow(1 + axis, start - first, min(stop, past) - start)
            if stop > past:
                planes = torch.cat([planes, self._made(axis, past, stop)], 1 + axis)
        self._last = (start, planes)
        return planes

    def _made(self, axis: int, start: int, stop: int) -> torch.Tensor:
        order = self._memory_order(axis)
        have, want = self._kept.shape[1 + axis], self.shape[axis]
        if have == want:
            made = self._under(order, start, stop).clone()
        else:
            rows = axis_matrix(have, want, self._orders[axis])[start:stop]
            used = np.flatnonzero(rows.any(axis=0))
            low, high = int(used[0]), int(used[-1]) + 1
            made = along_axis(self._under(order, low, high), 1, rows[:, low:high])
        planes = made.permute(0, *(1 + order.index(i) for i in range(len(order))))
        if self._range is not None:
            low_end, high_end = self._range.unbind()
            if high_end.shape[1 + axis] > 1:
                low_end, high_end = (end.narrow(1 + axis, start, stop - start) for end in (low_end, high_end))
            torch.clamp(planes, low_end, high_end, out=planes)
        return planes

    def _memory_order(self, axis: int) -> tuple[int, ...]:
        """This axis, then the others, slowest in the image's memory first."""
        steps = [abs(step) for step in self._kept.strides[1:]]
        return (axis, *sorted((i for i in range(len(steps)) if i != axis), key=lambda i: -steps[i]))

    def _under(self, order: tuple[int, ...], low: int, high: int) -> torch.Tensor:
        """Native planes [low, high) on the working grid in their own plane, shape (C, high - low, *plane)."""
        first, ring = self._ring if self._ring is not None else (low, None)
        if ring is None or not first <= low <= first + ring.shape[1]:
            ring, first = None, low
        past = low if ring is None else first + ring.shape[1]
        plane = tuple(self.shape[i] for i in order[1:])
        held = torch.empty((self.channels, high - low, *plane))
        if ring is not None:
            kept = ring[:, low - first : high - first]
            held[:, : kept.shape[1]] = kept
        turned = self._kept.transpose(0, *(1 + i for i in order))
        step = max(1, _BLOCK // int(np.prod(turned.shape[2:])))
        for begin in range(max(low, past), high, step):
            end = min(high, begin + step)
            for channel, rule in enumerate(self._rules):
                block = turned[channel, begin:end]
                held[channel, begin - low : end - low] = self._in_plane(block, order, rule)
        self._ring = (low, held)
        return held

    def _in_plane(self, block: np.ndarray, order: tuple[int, ...], rule: Pointwise) -> torch.Tensor:
        """Stored planes, shape (P, *native plane), to (P, *working plane) of numbers around 0."""
        matrices: dict[int, np.ndarray] = {}
        for place, axis in enumerate(order[1:], 1):
            if block.shape[place] == self.shape[axis]:
                continue
            matrix = axis_matrix(block.shape[place], self.shape[axis], self._orders[axis])
            if block.strides[place] < 0:  # read as it lies in memory; the matrix turns it
                block, matrix = np.flip(block, place), matrix[:, ::-1]
            matrices[place] = matrix
        planes = rule.apply_(finite_block(block))
        # The axis that shrinks most goes first, and leaves less to do for the other.
        for place in sorted(matrices, key=lambda place: len(matrices[place]) / matrices[place].shape[1]):
            planes = along_axis(planes, place, matrices[place])
        return planes

    @cached_property
    def _range(self) -> torch.Tensor | None:
        """What no value may leave, shape (2, C, *1 or planes along the axis of order 0); `None` where none can."""
        changed = [have != want for have, want in zip(self._kept.shape[1:], self.shape, strict=True)]
        if not any(change and order == 3 for change, order in zip(changed, self._orders, strict=True)):
            return None
        nearest = self._orders.index(0) if 0 in self._orders else None
        ends = [channel_range(one, rule, nearest) for one, rule in zip(self._kept, self._rules, strict=True)]
        both = torch.stack(ends, 1)
        dims = len(self.shape)
        if nearest is None:
            return both.view(2, -1, *(1,) * dims)
        if changed[nearest]:
            matrix = axis_matrix(self._kept.shape[1 + nearest], self.shape[nearest], 0)
            both = both[..., matrix.argmax(1)]
        return both.view(2, len(ends), *(-1 if i == nearest else 1 for i in range(dims)))


def slab_planes(image: Image, plan: Plan, *, crop: bool = True) -> SlabPlanes:
    """An image as a plan without steps of preparation prepares it.

    Raises:
        InputError: Channels or dimensions are not the plan's, or the spacing that it needs is unknown.
    """
    require_fit(image, plan)
    turn = image.geometry.to_canonical
    canonical = turn.apply(image.voxels)
    box = stored_body_box(canonical, plan.crop_above if crop else None)
    turned = image.geometry.reoriented(turn)
    kept = [side.stop - side.start for side in box]
    shape = plan.working_shape(turned.cropped([side.start for side in box], kept))
    native = turned.spacing_mm if plan.spacing_mm is not None else None
    orders = (1,) * plan.dims
    if plan.resampling == "cubic":
        orders = spline_orders(native, plan.spacing_mm, plan.dims)
    rules = [pointwise(*pair) for pair in zip(image.voxels, plan.normalisation, strict=True)]
    return SlabPlanes(image.voxels, Restoration(image.geometry, turn, box, shape), rules, orders)
