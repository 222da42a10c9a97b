"""Pieces of regions: a component within some slices of a mask, a bit a voxel where it is large, and what it touches."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from medseg import room

__all__ = ["Piece", "assembled", "piece_of", "touching"]

_LARGE = 1 << 16  # voxels of a box from which a bit each pays


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """A connected component within some slices.

    Args:
        index: Class index of its label.
        voxels: How many voxels it has.
        start: Index of the first voxel of its bounding box, (x, y[, z]).
        size: Shape of the box.
        first: Index of its first voxel, the first axis the slowest.
        content: Boolean, true in it; where `packed` is an axis, eight voxels along it in a byte.
        packed: That axis.
    """

    index: int
    voxels: int
    start: tuple[int, ...]
    size: tuple[int, ...]
    first: tuple[int, ...]
    content: np.ndarray
    packed: int | None = None

    @property
    def stop(self) -> tuple[int, ...]:
        """Index after the last voxel of the box."""
        return tuple(first + n for first, n in zip(self.start, self.size, strict=True))

    @property
    def mask(self) -> np.ndarray:
        """Boolean, of the box's shape."""
        if self.packed is None:
            return self.content
        return np.unpackbits(self.content, self.packed, self.size[self.packed]).view(bool)


def piece_of(
    inside: np.ndarray, crop: Sequence[slice], corner: Sequence[int], index: int, voxels: int, axis: int
) -> Piece:
    """One component of a slab.

    Args:
        inside: Boolean, true in it, shape of its bounding box.
        crop: That box in the slab.
        corner: Where the slab lies in the mask.
        index: Class index of its label.
        voxels: How many it has.
        axis: Along which slabs follow one another.
    """
    start = tuple(one + part.start for one, part in zip(corner, crop, strict=True))
    first = np.unravel_index(int(np.argmax(inside)), inside.shape)
    place = tuple(int(a) + b for a, b in zip(first, start, strict=True))
    if inside.size < _LARGE:
        return Piece(index, voxels, start, inside.shape, place, inside)
    packed = max((i for i in range(inside.ndim) if i != axis), key=lambda i: inside.shape[i])
    return Piece(index, voxels, start, inside.shape, place, np.packbits(inside, packed), packed)


def assembled(pieces: Sequence[Piece], start: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """The mask of a region from its pieces: boolean, shape `size`, where it begins at `start`."""
    if len(pieces) == 1:
        return pieces[0].mask
    whole = room.empty(tuple(size), bool)
    whole[...] = False
    for piece in pieces:
        box = tuple(slice(a - c, b - c) for a, b, c in zip(piece.start, piece.stop, start, strict=True))
        whole[box] |= piece.mask
    return whole


def touching(
    before: tuple[np.ndarray, np.ndarray], after: tuple[np.ndarray, np.ndarray], connectivity: int
) -> np.ndarray:
    """Pairs of pieces of one label that touch across the face of two slabs.

    Args:
        before: Class indices of the last slice of the one and numbers of its pieces, -1 where there is none.
        after: Likewise of the first slice of the next.
        connectivity: Neighbours of a voxel, as in `find_regions`.

    Returns:
        Numbers, shape (n, 2).
    """
    ndim = before[0].ndim
    # How far neighbours in the next slice may lie off within it: one step of the way is taken already.
    reach = {4: 0, 6: 0, 8: 1, 18: 1, 26: 2}[connectivity]
    steps = [step for step in product((-1, 0, 1), repeat=ndim) if sum(map(abs, step)) <= reach]
    found, many = [np.empty(0, np.int64)], 1 + int(after[1].max(initial=0))
    for step in steps:
        here = tuple(slice(max(0, -n), min(size, size - n)) for n, size in zip(step, before[0].shape, strict=True))
        there = tuple(slice(max(0, n), min(size, size + n)) for n, size in zip(step, before[0].shape, strict=True))
        meet = (before[0][here] == after[0][there]) & (before[0][here] > 0)
        # A pair as one number: numpy sorts whole numbers many times faster than rows.
        found.append(np.unique(before[1][here][meet].astype(np.int64) * many + after[1][there][meet]))
    return np.stack(np.divmod(np.unique(np.concatenate(found)), many), axis=1)
