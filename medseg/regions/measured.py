"""What a family of columns sees of a region: its mask, its grid, and the voxels and probabilities inside."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from medseg import room
from medseg.geometry import Geometry
from medseg.image import Image, Segmentation
from medseg.labels import IGNORE_INDEX, Labels
from medseg.regions.components import Region
from medseg.regions.schema import Column

__all__ = ["BLOCK", "Family", "Measured"]

BLOCK = 1 << 22  # voxels of a region that are looked at at once: it may be as large as the image


@dataclass(frozen=True, eq=False)
class Measured:
    """A region and all that is known of it.

    Args:
        region: Its place and size.
        mask: Boolean, shape of the region's box.
        image: The whole image.
        channels: A name for each of its channels, as in the names of columns.
        probabilities: Of the region's label on the whole grid, where they are known.
        everything: The mask that the region is of, in file values, with what they mean.
        organs: A label map of organs on the image's grid, where there is one.
    """

    region: Region
    mask: np.ndarray
    image: Image
    channels: tuple[str, ...]
    probabilities: np.ndarray | None = None
    everything: tuple[np.ndarray, Labels] | None = None
    organs: Segmentation | None = None

    @property
    def whole(self) -> Geometry:
        """The grid of the image."""
        return self.image.geometry

    @cached_property
    def geometry(self) -> Geometry:
        """The grid of the region's box."""
        return self.whole.cropped(self.region.start, self.region.size)

    def crop(self, channel: int) -> np.ndarray:
        """A channel's voxels in the region's box: a view, in their stored type."""
        box: np.ndarray = self.image.voxels[channel][self.region.box]
        return box

    def values(self, channel: int) -> np.ndarray:
        """The finite values of a channel inside the region, in their stored type: a new array at each call."""
        return _inside(self.crop(channel), self.mask, self.region.voxels)

    def confidences(self) -> np.ndarray:
        """The probabilities of the region's label inside it, in their stored type; none where they are not known."""
        if self.probabilities is None:
            return np.empty(0, np.float32)
        return _inside(self.probabilities[self.region.box], self.mask, self.region.voxels)

    def labelled(self, box: tuple[slice, ...]) -> np.ndarray:
        """Where in a box of the whole grid any label is, this region among them: boolean."""
        if self.everything is None:
            return np.zeros([part.stop - part.start for part in box], bool)
        mask, labels = self.everything
        indices = labels.to_indices(mask[box])
        return (indices != 0) & (indices != IGNORE_INDEX)


@dataclass(frozen=True)
class Family:
    """Columns that belong together and what fills them.

    Args:
        columns: The columns for an image whose channels have these names.
        measure: Their values for one region, by column name; what is left out is empty.
    """

    columns: Callable[[Sequence[str]], tuple[Column, ...]]
    measure: Callable[[Measured], dict[str, Any]]


def _inside(voxels: np.ndarray, mask: np.ndarray, count: int) -> np.ndarray:
    """The finite ones of `count` values where a mask is true, in their stored type; some slices at a time."""
    if mask.size <= BLOCK:
        values = voxels[mask]
        return values[np.isfinite(values)] if values.dtype.kind == "f" else values
    values, filled = room.empty((count,), voxels.dtype), 0
    step = max(1, BLOCK // max(1, math.prod(mask.shape[1:])))
    for start in range(0, len(mask), step):
        block = voxels[start : start + step][mask[start : start + step]]
        block = block[np.isfinite(block)] if block.dtype.kind == "f" else block
        values[filled : filled + block.size] = block
        filled += block.size
    return values[:filled]
