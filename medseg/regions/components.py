"""Splits a mask into its regions: the connected components of each label."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg.errors import InputError
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["CONNECTIVITIES", "Connectivity", "Region", "find_regions"]

Connectivity = Literal[4, 6, 8, 18, 26]
CONNECTIVITIES: dict[int, tuple[Connectivity, ...]] = {2: (8, 4), 3: (26, 6, 18)}  # the first is the default


@dataclass(frozen=True, eq=False)
class Region:
    """One connected component of one label.

    Args:
        label: Name of the label.
        value: The label's file value (the first, where it has several).
        id: 1, 2, ... within the label, the largest first.
        voxels: How many voxels it has.
        start: Index of the first voxel of its bounding box, (x, y[, z]).
        mask: Boolean, of the bounding box's shape: true in the region.
    """

    label: str
    value: int
    id: int
    voxels: int
    start: tuple[int, ...]
    mask: np.ndarray

    @property
    def size(self) -> tuple[int, ...]:
        """Shape of the bounding box in voxels."""
        return self.mask.shape

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
    import cc3d

    neighbours = _connectivity(mask.ndim, connectivity, where)
    start, box = _bounding_box(mask != labels.background[0])
    indices = np.ascontiguousarray(labels.to_indices(mask[box], where))
    indices[indices == IGNORE_INDEX] = 0
    if not indices.any():
        return []
    components = cc3d.connected_components(indices, connectivity=neighbours)
    found = cc3d.statistics(components)
    regions: list[list[Region]] = [[] for _ in labels.labels]
    for number in range(1, len(found["voxel_counts"])):
        voxels = int(found["voxel_counts"][number])
        if voxels < max(1, min_voxels):
            continue
        crop = found["bounding_boxes"][number]
        inside = components[crop] == number
        index = int(indices[crop][inside][0])
        corner = tuple(first + part.start for first, part in zip(start, crop, strict=True))
        label = labels.labels[index - 1]
        regions[index - 1].append(Region(label.name, label.values[0], 0, voxels, corner, inside))
    return [
        Region(region.label, region.value, place, region.voxels, region.start, region.mask)
        for of_label in regions
        for place, region in enumerate(sorted(of_label, key=_order), start=1)
    ]


def _order(region: Region) -> tuple:
    """Largest first; of equals the one whose first voxel (x slowest) comes first."""
    first = np.unravel_index(int(np.argmax(region.mask)), region.size)
    return -region.voxels, tuple(int(a) + b for a, b in zip(first, region.start, strict=True))


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


def _bounding_box(inside: np.ndarray) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """First corner and slices of the smallest box around the true voxels; an empty box where there are none."""
    start, box = [], []
    for axis in range(inside.ndim):
        hit = np.flatnonzero(inside.any(axis=tuple(i for i in range(inside.ndim) if i != axis)))
        first, last = (int(hit[0]), int(hit[-1]) + 1) if hit.size else (0, 0)
        start.append(first)
        box.append(slice(first, last))
    return tuple(start), tuple(box)
