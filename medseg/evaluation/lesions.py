"""Which predicted lesions are which reference lesions, and how many were found, missed or made up.

A lesion is a connected component (26 neighbours, 8 in 2D) of one label; in instance maps it is whatever has one number.
Rules by which two are one:

- "any": they share a voxel. A predicted lesion may be several reference lesions and the other way round, as challenges
  of multiple sclerosis count.
- "iou": their intersection over union is at least the threshold, one to one.
- "centroid": their centres of mass are no further apart than the threshold, one to one.

One to one is the assignment (Hungarian method, Kuhn 1955) with the most pairs and, of these, the greatest sum of
IoU or the least sum of distances; so picai_eval does (Saha 2024, doi:10.1016/S1470-2045(24)00220-8). By "iou", a
predicted lesion left over that reaches the threshold with a reference lesion that another one took is a *duplicate*:
neither right nor wrong, as there.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medseg.evaluation.scoring import Scoring
from medseg.geometry import Geometry

__all__ = ["PANOPTIC_IOU", "LesionMatch", "lesions_of", "match_lesions"]

PANOPTIC_IOU = 0.5
_Ints = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LesionMatch:
    """Lesions of one label in one case, those of the prediction and of the reference numbered 1, 2, ...

    Args:
        predicted_voxels: Size of each predicted lesion.
        reference_voxels: Size of each reference lesion.
        pairs: Positions (from 0) of a predicted and a reference lesion that are one, shape (n, 2).
        touching: Positions of those that share a voxel, shape (m, 2).
        iou: Of each pair in `touching`.
        predicted_centres: Centres of mass in world space, shape (lesions, ndim).
        reference_centres: The same of the reference.
        duplicates: Positions of predicted lesions that are neither right nor wrong.
    """

    predicted_voxels: _Ints
    reference_voxels: _Ints
    pairs: _Ints
    touching: _Ints
    iou: _Floats
    predicted_centres: _Floats
    reference_centres: _Floats
    duplicates: _Ints

    @property
    def found(self) -> int:
        """Reference lesions that were found."""
        return len(np.unique(self.pairs[:, 1]))

    @property
    def missed(self) -> int:
        """Reference lesions that were not."""
        return len(self.reference_voxels) - self.found

    @property
    def right(self) -> int:
        """Predicted lesions that are one of the reference."""
        return len(np.unique(self.pairs[:, 0]))

    @property
    def wrong(self) -> int:
        """Predicted lesions that are none, duplicates left out."""
        return len(self.predicted_voxels) - self.right - len(self.duplicates)

    @property
    def sensitivity(self) -> float:
        """Found of all reference lesions; 0 where there are only predicted ones, NaN where there are none at all."""
        return self._share(self.found, len(self.reference_voxels))

    @property
    def precision(self) -> float:
        """Right of all predicted lesions that are right or wrong; 0 where there are only reference ones, or NaN."""
        return self._share(self.right, self.right + self.wrong)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 where both are."""
        both = self.sensitivity + self.precision
        return 2 * self.sensitivity * self.precision / both if both else both

    @property
    def _panoptic(self) -> _Floats:
        """IoU of the pairs above a half, of which no lesion can have two."""
        return self.iou[self.iou > PANOPTIC_IOU]

    @property
    def rq(self) -> float:
        """Recognition quality TP / (TP + FP / 2 + FN / 2) of pairs with an IoU above 0.5 (Kirillov 2019)."""
        lesions = len(self.predicted_voxels) + len(self.reference_voxels)
        return self._share(2 * len(self._panoptic), lesions)

    @property
    def sq(self) -> float:
        """Segmentation quality: mean IoU of these pairs; 0 where there is none."""
        return self._share(float(self._panoptic.sum()), len(self._panoptic))

    @property
    def pq(self) -> float:
        """Panoptic quality: the product of both."""
        return self.rq * self.sq

    def _share(self, part: float, whole: int) -> float:
        if not len(self.predicted_voxels) + len(self.reference_voxels):
            return math.nan
        return part / whole if whole else 0.0


def lesions_of(mask: npt.NDArray[np.bool_]) -> np.ndarray:
    """Connected components of a boolean mask, shape (x, y[, z]), numbered 1, 2, ... (26 neighbours, 8 in 2D)."""
    import cc3d

    if not mask.any():
        return np.zeros(mask.shape, np.uint16)
    # Not boolean: of such, cc3d (4.0 at least) joins and numbers some components wrongly where neighbours are 8.
    indices = np.ascontiguousarray(mask).view(np.uint8)
    found: np.ndarray = cc3d.connected_components(indices, connectivity=26 if mask.ndim == 3 else 8)
    return found


def match_lesions(
    predicted: np.ndarray, reference: np.ndarray, geometry: Geometry, scoring: Scoring | None = None
) -> LesionMatch:
    """Tell which lesions are one.

    Args:
        predicted: Instance map: 0 outside and 1, 2, ... n in the lesions, as `lesions_of` gives; shape (x, y[, z]), or
            a box of the grid that holds all of both.
        reference: The same of the reference.
        geometry: The grid of both; distances are in pixels where its spacing is unknown.
        scoring: By which rule.
    """
    scoring = scoring or Scoring()
    (size, centre), (other, other_centre) = (_sizes_and_centres(one, geometry) for one in (predicted, reference))
    touching, iou = _overlapping(predicted, reference, size, other)
    duplicates = np.zeros(0, np.int64)
    if scoring.match == "any":
        pairs = touching
    elif scoring.match == "iou":
        enough = (iou >= scoring.threshold) & (iou > 0)
        pairs = _assigned(touching[enough], iou[enough])
        duplicates = np.setdiff1d(touching[enough, 0], pairs[:, 0])
    else:
        near, distance = _near(centre, other_centre, scoring.threshold)
        pairs = _assigned(near, 1 - distance / (2 * scoring.threshold or 1))
    return LesionMatch(size, other, pairs, touching, iou, centre, other_centre, duplicates)


def _overlapping(predicted: np.ndarray, reference: np.ndarray, sizes: _Ints, others: _Ints) -> tuple[_Ints, _Floats]:
    """Positions of lesions that share a voxel, sorted, and the IoU of each."""
    both = (predicted > 0) & (reference > 0)
    codes = (predicted[both].astype(np.int64) - 1) * max(1, len(others)) + reference[both].astype(np.int64) - 1
    found, shared = np.unique(codes, return_counts=True)
    pairs = np.stack(np.divmod(found, max(1, len(others))), axis=1).reshape(-1, 2)
    return pairs, shared / (sizes[pairs[:, 0]] + others[pairs[:, 1]] - shared)


def _sizes_and_centres(instances: np.ndarray, geometry: Geometry) -> tuple[_Ints, _Floats]:
    """Voxels of each lesion, and its centre of mass in world space but for the origin, which both sides share."""
    places = np.flatnonzero(instances)
    numbers = instances.ravel()[places].astype(np.int64) - 1
    sizes = np.bincount(numbers).astype(np.int64)
    centres = np.empty((len(sizes), instances.ndim))
    for axis, length in enumerate(instances.shape):
        along = places // int(np.prod(instances.shape[axis + 1 :], dtype=np.int64)) % length
        centres[:, axis] = np.bincount(numbers, along, len(sizes)) / np.maximum(1, sizes)
    return sizes, centres @ geometry.affine[:-1, :-1].T


def _near(one: _Floats, other: _Floats, reach: float) -> tuple[_Ints, _Floats]:
    """Positions of centres no further apart than that, and their distances."""
    from scipy.spatial import cKDTree

    if not len(one) or not len(other):
        return np.zeros((0, 2), np.int64), np.zeros(0)
    found = cKDTree(one).query_ball_point(other, reach * (1 + 1e-9))
    pairs = np.array([(a, b) for b, near in enumerate(found) for a in sorted(near)], np.int64).reshape(-1, 2)
    return pairs, np.linalg.norm(one[pairs[:, 0]] - other[pairs[:, 1]], axis=1)


def _assigned(pairs: _Ints, gains: _Floats) -> _Ints:
    """The most pairs in which every lesion is once, of these the ones with the greatest sum of gains, each 0 to 1.

    Groups of lesions that have nothing to do with one another are assigned one by one, as their matrix of all would
    not fit in memory where there are many. Most groups are one pair.
    """
    degrees = [np.bincount(pairs[:, side])[pairs[:, side]] if len(pairs) else np.zeros(0) for side in (0, 1)]
    alone = (degrees[0] == 1) & (degrees[1] == 1)
    rest, worth = pairs[~alone], gains[~alone]
    found = np.concatenate([pairs[alone], *(_best(rest[part], worth[part]) for part in _groups(rest))])
    return found[np.lexsort(found.T[::-1])]


def _groups(pairs: _Ints) -> list[_Ints]:
    """Positions of pairs that hang together, directly or through others."""
    if not len(pairs):
        return []
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = pairs.max(axis=0) + 1
    nodes = pairs + np.array([0, count[0]])
    graph = coo_array((np.ones(len(pairs), bool), tuple(nodes.T)), shape=(int(count.sum()),) * 2)
    group = connected_components(graph, directed=False)[1][nodes[:, 0]]
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1)


def _best(pairs: _Ints, gains: _Floats) -> _Ints:
    """The assignment within one group."""
    from scipy.optimize import linear_sum_assignment

    (rows, row), (columns, column) = (np.unique(pairs[:, side], return_inverse=True) for side in (0, 1))
    worth = np.zeros((len(rows), len(columns)))
    worth[row, column] = gains + len(pairs)  # one pair more is worth more than any sum of gains
    best = linear_sum_assignment(worth, maximize=True)
    real = worth[best] > 0
    return np.stack([rows[best[0][real]], columns[best[1][real]]], axis=1)
