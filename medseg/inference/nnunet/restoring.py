"""From slabs of logits to a mask on the native grid by nnU-Net's rules: linear, but nearest across thick slices."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from medseg.inference.nnunet.resampling import nearest_planes
from medseg.inference.streaming import Slab
from medseg.transforms.prepare import Restoration
from medseg.transforms.restoring import SlabRestorer

__all__ = ["NnUNetRestorer", "painted"]


class NnUNetRestorer:
    """Turns slabs of logits to class indices, or to a channel a region.

    Args:
        restoration: The way back.
        outputs: Channels of the logits.
        axis: Along which the slabs follow one another.
        orders: Of the spline along each axis, 1; 0 repeats the nearest plane.
        exclusive: Whether the largest logit decides; else each region stands for itself.
        by_torch: Whether the nearest plane is PyTorch's, else SciPy's.
        shares: Where probabilities go, see `SlabRestorer`.
    """

    def __init__(
        self,
        restoration: Restoration,
        outputs: int,
        axis: int,
        orders: Sequence[int],
        *,
        exclusive: bool,
        by_torch: bool = False,
        shares: np.ndarray | None = None,
    ) -> None:
        kept = tuple(side.stop - side.start for side in restoration.box)
        working = restoration.working_shape
        self._axis, self._kept = axis, kept
        self._nearest = {
            other: nearest_planes(working[other], kept[other], by_torch)
            for other, order in enumerate(orders)
            if order == 0 and working[other] != kept[other]
        }
        # medseg smooths what it shrinks in 2D, nnU-Net does not: there the whole slice is resized first.
        self._whole: list[torch.Tensor] | None = None
        if len(kept) == 2 and any(n < m for n, m in zip(kept, working, strict=True)):
            self._whole = []
        shape = tuple(
            kept[other] if other in self._nearest or self._whole is not None else n for other, n in enumerate(working)
        )
        self._restorer = SlabRestorer(
            replace(restoration, working_shape=shape), outputs, axis, exclusive=exclusive, shares=shares
        )

    def add(self, slab: Slab) -> None:
        """The next slab."""
        if self._whole is not None:
            self._whole.append(slab.logits)
            return
        logits, start = slab.logits, slab.start
        for axis, nearest in self._nearest.items():
            wanted = nearest
            if axis == self._axis:
                first, past = np.searchsorted(nearest, (slab.start, slab.stop))
                start, wanted = int(first), nearest[first:past] - slab.start
            logits = logits.index_select(1 + axis, torch.from_numpy(wanted).to(logits.device))
        if logits.shape[1 + self._axis]:
            self._restorer.add(start, logits)

    def finish(self) -> np.ndarray:
        """Class indices, uint8, native shape; of regions 0 and 1, shape (regions, *native)."""
        if self._whole is not None:
            logits = torch.cat(self._whole, 1 + self._axis)
            self._restorer.add(0, F.interpolate(logits[None], self._kept, mode="bilinear")[0])
        return self._restorer.finish()


def painted(found: np.ndarray, order: Sequence[int], regions: Sequence[Sequence[int]]) -> np.ndarray:
    """Regions as nnU-Net's label map has them: each paints its value over those before it.

    Args:
        found: 0 and 1, shape (regions, *native); written over.
        order: The value that each region paints (`regions_class_order`).
        regions: Of which values each consists.

    Returns:
        What of the map belongs to each region, 0 and 1, of the same shape.
    """
    slowest = 1 + int(np.argmax(np.abs(found.strides[1:])))
    for plane in np.moveaxis(found, slowest, 0):  # a plane at a time, so that no map of all of it is held
        label_map = np.zeros(plane.shape[1:], np.uint8)
        for value, channel in zip(order, plane, strict=True):
            label_map[channel != 0] = value
        for number, values in enumerate(regions):
            plane[number] = np.isin(label_map, values)
    return found
