"""Puts fragments of one label that lie close together into one region."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from medseg.errors import UnknownSpacingError
from medseg.geometry import Geometry
from medseg.regions.components import Region, in_order

__all__ = ["merge_close"]

_FEW = 1 << 14  # distances that are reckoned outright


def merge_close(regions: Sequence[Region], geometry: Geometry, merge_mm: float) -> list[Region]:
    """Regions of which those of one label count as one whose nearest voxel centres lie at most so far apart.

    Args:
        regions: As `find_regions` gives them, label by label.
        geometry: The grid of their mask.
        merge_mm: The distance; nothing is merged at 0.

    Returns:
        Label by label, the largest first; a merged region counts the voxels of its fragments.

    Raises:
        UnknownSpacingError: The spacing is unknown.
    """
    if merge_mm <= 0:
        return list(regions)
    if not geometry.spacing_known:
        raise UnknownSpacingError("merge_mm", "the spacing of this image is unknown", "Leave merge_mm out.")
    merged: list[Region] = []
    for _, group in groupby(regions, key=lambda region: region.label):
        fragments = list(group)
        merged += in_order([_union(parts) for parts in _groups(fragments, geometry, merge_mm)])
    return merged


def _union(parts: Sequence[Region]) -> Region:
    start = tuple(min(firsts) for firsts in zip(*(part.start for part in parts), strict=True))
    stops = [[first + n for first, n in zip(part.start, part.size, strict=True)] for part in parts]
    size = tuple(max(pasts) - first for first, pasts in zip(start, zip(*stops, strict=True), strict=True))
    pieces = tuple(piece for part in parts for piece in part.pieces)
    return replace(parts[0], voxels=sum(part.voxels for part in parts), start=start, size=size, pieces=pieces)


def _groups(fragments: Sequence[Region], geometry: Geometry, merge_mm: float) -> list[list[Region]]:
    """Fragments that belong together, by a forest whose roots stand for the groups."""
    above = list(range(len(fragments)))

    def root(number: int) -> int:
        while above[number] != number:
            above[number] = above[above[number]]
            number = above[number]
        return number

    borders: dict[int, np.ndarray] = {}

    def border(number: int) -> np.ndarray:
        if number not in borders:
            borders[number] = geometry.to_world(_border(fragments[number]))
        return borders[number]

    for one, other in _neighbours(fragments, geometry, merge_mm):
        first, second = sorted((root(one), root(other)))
        if first != second and _close(border(one), border(other), merge_mm):
            above[second] = first
    groups: dict[int, list[Region]] = {}
    for number, fragment in enumerate(fragments):
        groups.setdefault(root(number), []).append(fragment)
    return list(groups.values())


def _neighbours(fragments: Sequence[Region], geometry: Geometry, merge_mm: float) -> Iterator[tuple[int, int]]:
    """Pairs whose boxes, along the axes of the world, come that close."""
    corners = np.array(list(np.ndindex((2,) * geometry.ndim)))
    sizes = np.array([fragment.size for fragment in fragments])[:, np.newaxis] - 1
    places = geometry.to_world(np.array([fragment.start for fragment in fragments])[:, np.newaxis] + corners * sizes)
    low, high = places.min(axis=1), places.max(axis=1)
    axis = int(np.argmax(np.ptp(low, axis=0)))
    order = np.argsort(low[:, axis], kind="stable")
    low, high = low[order], high[order] + merge_mm * (1 + 1e-9)
    past = np.searchsorted(low[:, axis], high[:, axis], side="right")
    for place in range(len(order)):
        later = slice(place + 1, past[place])
        reach = (high[later] >= low[place]) & (low[later] <= high[place])
        for other in np.flatnonzero(reach.all(axis=1)):
            yield int(order[place]), int(order[place + 1 + other])


def _border(fragment: Region) -> np.ndarray:
    """Indices of voxels on whose line along some axis the neighbour is not of the region, shape (n, ndim)."""
    mask = fragment.mask
    inner = np.zeros_like(mask)
    core = (slice(1, -1),) * mask.ndim
    inner[core] = mask[core]
    for axis in range(mask.ndim):
        for step in (slice(None, -2), slice(2, None)):
            inner[core] &= mask[tuple(step if i == axis else slice(1, -1) for i in range(mask.ndim))]
    return np.argwhere(mask & ~inner) + fragment.start


def _close(one: np.ndarray, other: np.ndarray, distance: float) -> bool:
    """Whether two sets of points come so close to one another."""
    from scipy.spatial import KDTree
    from scipy.spatial.distance import cdist

    reach = distance * (1 + 1e-9)
    if len(one) * len(other) <= _FEW:
        return bool(cdist(one, other).min() <= reach)
    found, _ = KDTree(one).query(other, distance_upper_bound=reach * (1 + 1e-9))
    return bool(np.min(found) <= reach)
