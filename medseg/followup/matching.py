"""Which lesions of two time points are the same: by the volume that they share, then by how near their centres are."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from medseg.errors import InputError
from medseg.followup.overlap import shared_volumes
from medseg.followup.time_point import TimePoint

__all__ = ["Link", "Matching", "links_between"]


@dataclass(frozen=True)
class Matching:
    """When two lesions of one label are the same.

    Args:
        max_distance_mm: How far apart the centroids of two lesions may be that share no voxel.
        min_overlap: The share of the smaller one that lies in the other, from which on they belong together.

    Raises:
        InputError: A distance below 0, or a share that is none.
    """

    max_distance_mm: float = 10.0
    min_overlap: float = 0.1

    def __post_init__(self) -> None:
        if not (np.isfinite(self.max_distance_mm) and self.max_distance_mm >= 0):
            raise InputError("max_distance_mm", f"{self.max_distance_mm}", "Give millimetres, 0 for overlap alone.")
        if not 0 < self.min_overlap <= 1:
            raise InputError("min_overlap", f"{self.min_overlap}", "Give a share above 0 and up to 1.")


@dataclass(frozen=True)
class Link:
    """Two lesions that are the same one.

    Args:
        before: Row of the earlier time point's region table.
        after: Row of the later one's.
        how: What speaks for it.
        overlap: Share of the smaller one that lies in the other; NaN where it is not known.
        distance_mm: Between their centroids in the baseline's world.
    """

    before: int
    after: int
    how: Literal["overlap", "centroid"]
    overlap: float
    distance_mm: float


def links_between(
    earlier: TimePoint,
    later: TimePoint,
    how: Matching,
    before: np.ndarray | None = None,
    after: np.ndarray | None = None,
) -> list[Link]:
    """Links between lesions of one label.

    Overlap is asked first: two lesions belong together where the smaller one lies in the other by at least
    `min_overlap`, and one of them shares more volume with the other than with any third. So several lesions become
    one (merged), or one several (split), while neighbours that merely touch stay apart. Of the lesions that are left,
    pairs are chosen so that as many as possible are matched and the sum of their distances is the smallest (Kuhn
    1955); without masks all are matched so, one to one.

    Args:
        earlier: A time point.
        later: Another, in the same world.
        how: What is the same.
        before: Which rows of the earlier one take part; all where left out.
        after: The same of the later one.
    """
    rows = np.arange(len(earlier.regions)) if before is None else before
    columns = np.arange(len(later.regions)) if after is None else after
    if not len(rows) or not len(columns):
        return []
    same = _labels(earlier)[rows][:, np.newaxis] == _labels(later)[columns]
    distances = np.linalg.norm(earlier.places[rows][:, np.newaxis] - later.places[columns], axis=-1)
    overlaps = np.full(same.shape, np.nan)
    linked = np.zeros(same.shape, bool)
    if earlier.segmentation is not None and later.segmentation is not None:
        shared = shared_volumes(earlier, later)[np.ix_(rows, columns)]
        smaller = np.minimum(_sizes(earlier)[rows][:, np.newaxis], _sizes(later)[columns])
        overlaps = np.minimum(shared / smaller, 1)  # of two grids the same voxels may count a little differently
        linked = (overlaps >= how.min_overlap) & same & _best_of_either(shared)
    found = [(int(i), int(j), "overlap") for i, j in np.argwhere(linked)]
    left, right = np.flatnonzero(~linked.any(axis=1)), np.flatnonzero(~linked.any(axis=0))
    near = np.where(same & (distances <= how.max_distance_mm), distances, np.inf)[np.ix_(left, right)]
    found += [(int(left[i]), int(right[j]), "centroid") for i, j in _assigned(near)]
    return [
        Link(int(rows[i]), int(columns[j]), way, float(overlaps[i, j]), float(distances[i, j]))  # type: ignore[arg-type]
        for i, j, way in found
    ]


def _best_of_either(shared: np.ndarray) -> np.ndarray:
    """Where a lesion shares with another as much as with any."""
    return (shared > 0) & ((shared >= shared.max(axis=0)) | (shared >= shared.max(axis=1)[:, np.newaxis]))


def _assigned(distances: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of finite distance: as many as can be, of the smallest sum."""
    allowed = np.isfinite(distances)
    if not allowed.any():
        return []
    from scipy.optimize import linear_sum_assignment

    never = (float(distances[allowed].max()) + 1) * (1 + min(distances.shape))
    pairs = zip(*linear_sum_assignment(np.where(allowed, distances, never)), strict=True)
    return [(int(i), int(j)) for i, j in pairs if allowed[i, j]]


def _labels(point: TimePoint) -> np.ndarray:
    return point.regions["label"].astype(str).to_numpy(dtype=object)


def _sizes(point: TimePoint) -> np.ndarray:
    """Volume (area) of each region in the baseline's world."""
    return point.regions["voxels"].to_numpy(float) * point.placed.voxel_size
