"""Boxes of a mask that no region crosses: most of a large mask is empty, and need not be numbered.

The mask is looked at in tiles. Tiles that hold something and touch make an island; a region lies within one.
"""

from collections.abc import Iterator

import numpy as np

__all__ = ["islands", "slowest_axis"]

_TILE = 8  # voxels along an edge
_MANY = 512  # islands from which on one box for all is quicker
_SHARE = 0.5  # of the box around all that the islands' boxes may have together

Box = tuple[slice, ...]


def islands(mask: np.ndarray, background: int) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """The islands of a mask and where each begins; where they are many or entwined, one box around all.

    Args:
        mask: File values, shape (x, y[, z]).
        background: What is no region.

    Yields:
        The index of the first voxel of a box, and the box: a view, or a copy without what other islands have there.
    """
    import cc3d

    filled = _filled_tiles(mask, background)
    if not filled.any():
        return
    numbers: np.ndarray = cc3d.connected_components(filled.view(np.uint8), connectivity=26 if mask.ndim == 3 else 8)
    boxes: list[Box] = [tuple(box) for box in cc3d.statistics(numbers)["bounding_boxes"][1:]]
    around: Box = tuple(
        slice(min(box[i].start for box in boxes), max(box[i].stop for box in boxes)) for i in range(mask.ndim)
    )
    if len(boxes) > _MANY or sum(map(_size, boxes)) > _SHARE * _size(around):
        boxes, numbers = [around], np.ones(filled.shape, np.uint8)
    for number, tiles in enumerate(boxes, start=1):
        box = tuple(
            slice(part.start * _TILE, min(part.stop * _TILE, n)) for part, n in zip(tiles, mask.shape, strict=True)
        )
        own = numbers[tiles] == number
        others = filled[tiles] & ~own
        island = mask[box]
        if others.any():
            for axis, n in enumerate(island.shape):
                own = own.repeat(_TILE, axis)[(slice(None),) * axis + (slice(n),)]
            island = np.where(own, island, mask.dtype.type(background))
        yield tuple(part.start for part in box), island


def slowest_axis(array: np.ndarray) -> int:
    """The axis along which neighbours lie farthest apart in memory."""
    return int(np.argmax([abs(step) for step in array.strides]))


def _size(box: Box) -> int:
    return int(np.prod([part.stop - part.start for part in box]))


def _filled_tiles(mask: np.ndarray, background: int) -> np.ndarray:
    """Which tiles hold something that is not background: boolean."""
    filled = np.zeros([-(-n // _TILE) for n in mask.shape], bool)
    axis = slowest_axis(mask)
    others = [i for i in range(mask.ndim) if i != axis]
    layers = np.moveaxis(mask, axis, 0)
    for place, layer in enumerate(np.moveaxis(filled, axis, 0)):
        found: np.ndarray = (layers[place * _TILE : (place + 1) * _TILE] != background).any(axis=0)
        for i in range(len(others)):
            found = np.logical_or.reduceat(found, np.arange(0, found.shape[i], _TILE), axis=i)
        layer[...] = found
    return filled
