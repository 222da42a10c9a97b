"""Splits a mask into its regions: the connected components of each label.

A large mask is looked at some slices at a time, and what touches from one to the next is joined: the numbers of the
components of all of it would take four times its memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from medseg.errors import InputError, LabelError
from medseg.labels import IGNORE_INDEX, Labels
from medseg.regions.islands import islands, slowest_axis
from medseg.regions.pieces import Piece, assembled, piece_of, touching

__all__ = ["CONNECTIVITIES", "Connectivity", "Region", "find_regions", "in_order"]

Connectivity = Literal[4, 6, 8, 18, 26]
CONNECTIVITIES: dict[int, tuple[Connectivity, ...]] = {2: (8, 4), 3: (26, 6, 18)}  # the first is the default
_SLAB = 1 << 24  # voxels whose components are found at once


@dataclass(frozen=True, eq=False)
class Region:
    """One connected component of one label.

    Args:
        label: Name of the label.
        value: The label's file value (the first, where it has several).
        id: 1, 2, ... within the label, the largest first.
        voxels: How many voxels it has.
        start: Index of the first voxel of its bounding box, (x, y[, z]).
        size: Shape of the bounding box in voxels.
        pieces: What `mask` is put together from.
    """

    label: str
    value: int
    id: int
    voxels: int
    start: tuple[int, ...]
    size: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def mask(self) -> np.ndarray:
        """Boolean, of the bounding box's shape: true in the region. Put together each time; hold on to it, briefly."""
        return assembled(self.pieces, self.start, self.size)

    @property
    def box(self) -> tuple[slice, ...]:
        """The bounding box as an index into an array on the whole grid."""
        return tuple(slice(first, first + n) for first, n in zip(self.start, self.size, strict=True))


def find_regions(
    mask: np.ndarray,
    labels: Labels,
    *,
    min_voxels: int = 0,
    connectivity: Connectivity | None = None,
    where: str = "mask",
) -> list[Region]:
    """The regions of a mask, label by label, the largest first (of equals, the one with the lowest first voxel).

    Args:
        mask: File values, shape (x, y[, z]).
        labels: What the values mean; background and ignored voxels belong to no region.
        min_voxels: Smaller regions are left out.
        connectivity: Neighbours of a voxel: 26 (default), 18 or 6 in 3D, 8 (default) or 4 in 2D.
        where: What errors call the mask.

    Raises:
        LabelError: The mask holds a value that is not declared.
        InputError: The mask is neither 2D nor 3D, or the connectivity is not one of these.
    """
    neighbours = _connectivity(mask.ndim, connectivity, where)
    regions: list[list[Region]] = [[] for _ in labels.labels]
    for pieces in _joined(*_pieces(mask, labels, neighbours, where)):
        voxels = sum(piece.voxels for piece in pieces)
        if voxels >= max(1, min_voxels):
            start = tuple(min(firsts) for firsts in zip(*(piece.start for piece in pieces), strict=True))
            stop = tuple(max(pasts) for pasts in zip(*(piece.stop for piece in pieces), strict=True))
            size = tuple(past - first for first, past in zip(start, stop, strict=True))
            label = labels.labels[pieces[0].index - 1]
            region = Region(label.name, label.values[0], 0, voxels, start, size, tuple(pieces))
            regions[pieces[0].index - 1].append(region)
    return [region for of_label in regions for region in in_order(of_label)]


def in_order(regions: Sequence[Region]) -> list[Region]:
    """Regions of one label, the largest first, numbered so; of equals the one whose first voxel comes first."""
    ordered = sorted(regions, key=lambda region: (-region.voxels, min(piece.first for piece in region.pieces)))
    return [replace(region, id=place) for place, region in enumerate(ordered, start=1)]


def _pieces(
    mask: np.ndarray, labels: Labels, neighbours: Connectivity, where: str
) -> tuple[list[Piece], list[np.ndarray]]:
    """The components of each slab, and pairs of numbers of those that touch across the face of two, shape (n, 2)."""
    pieces: list[Piece] = []
    pairs: list[np.ndarray] = []
    for start, island in islands(mask, labels.background[0]):
        axis = slowest_axis(island)
        face: tuple[np.ndarray, np.ndarray] | None = None
        for first, slab in _slabs(island, axis):
            indices = _indices(slab, mask, labels, where)
            corner = tuple(n + first if i == axis else n for i, n in enumerate(start))
            before = len(pieces)
            components, found = _components(indices, corner, axis, neighbours, len(labels.labels))
            pieces += found
            if slab.shape == island.shape:
                continue
            ends = [(indices.take(at, axis), _numbered(components.take(at, axis), before)) for at in (0, -1)]
            if face is not None:
                pairs.append(touching(face, ends[0], neighbours))
            face = ends[1]
    return pieces, pairs


def _components(
    indices: np.ndarray, corner: Sequence[int], axis: int, neighbours: Connectivity, labels: int
) -> tuple[np.ndarray, list[Piece]]:
    """Each voxel's component within a slab, numbered from 1, and the components."""
    import cc3d

    components: np.ndarray = cc3d.connected_components(indices, connectivity=neighbours)
    found = cc3d.statistics(components)
    pieces = []
    for number in range(1, len(found["voxel_counts"])):
        crop = found["bounding_boxes"][number]
        inside = components[crop] == number
        index = int(indices[crop][inside][0]) if labels > 1 else 1
        pieces.append(piece_of(inside, crop, corner, index, int(found["voxel_counts"][number]), axis))
    return components, pieces


def _numbered(components: np.ndarray, before: int) -> np.ndarray:
    """Numbers within one slab as numbers, from 0, of pieces of all; -1 where there is none."""
    return np.where(components > 0, components.astype(np.int64) + (before - 1), -1)


def _indices(slab: np.ndarray, mask: np.ndarray, labels: Labels, where: str) -> np.ndarray:
    """Class indices of a slab, 0 where it is ignored, in one piece of memory."""
    plain = tuple(range(len(labels.labels) + 1)) == labels.file_values == labels.written_values
    if plain and slab.dtype in (bool, np.uint8) and slab.max() < labels.classes:
        return _in_one_piece(slab.view(np.uint8))
    try:
        indices = labels.to_indices(slab, where)
    except LabelError:  # tell of what is wrong in all of it
        values = [np.unique(block) for _, block in _slabs(mask, slowest_axis(mask))]
        labels.to_indices(np.concatenate(values), where)
        raise
    indices[indices == IGNORE_INDEX] = 0
    return _in_one_piece(indices)


def _in_one_piece(array: np.ndarray) -> np.ndarray:
    return array if array.flags.forc else np.ascontiguousarray(array)


def _slabs(array: np.ndarray, axis: int) -> Iterator[tuple[int, np.ndarray]]:
    """Some slices along an axis at a time, and the index of the first."""
    step = max(1, _SLAB * array.shape[axis] // array.size)
    for first in range(0, array.shape[axis], step):
        yield first, array[(*(slice(None),) * axis, slice(first, first + step))]


def _joined(pieces: Sequence[Piece], pairs: Sequence[np.ndarray]) -> list[list[Piece]]:
    """Pieces that belong together."""
    if not any(map(len, pairs)):
        return [[piece] for piece in pieces]
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, second = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(pieces),) * 2)
    count, belongs = connected_components(graph, directed=False)
    groups: list[list[Piece]] = [[] for _ in range(count)]
    for piece, group in zip(pieces, belongs, strict=True):
        groups[group].append(piece)
    return groups


def _connectivity(ndim: int, wanted: Connectivity | None, where: str) -> Connectivity:
    if ndim not in CONNECTIVITIES:
        raise InputError(
            where, f"{ndim} axes", "Measure one 2D or 3D mask at a time, without channel axis.", "two or three"
        )
    choices = CONNECTIVITIES[ndim]
    if wanted is not None and wanted not in choices:
        named = ", ".join(str(choice) for choice in sorted(choices))
        raise InputError("connectivity", f"{wanted} in {ndim}D", f"Choose {named}.", named)
    return wanted or choices[0]
