"""How far apart the borders of two masks are: HD95, ASSD and NSD, label by label, in mm or pixels.

A border voxel is one of the mask with a background voxel among its 6 neighbours (4 in 2D); what lies outside the
volume is background. Distances are between border voxels' centres in world space, so that any grid is measured
truly, oblique and sheared ones too. Where the spacing is unknown they are in pixels, never in "mm of 1".

Definitions as MONAI's and those of Metrics Reloaded (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z). Programs that
weight border elements by their area (DeepMind's surface-distance) measure something else: their figures differ a bit.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects
from scipy.spatial import cKDTree

from medseg.errors import GridMismatchError
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["SurfaceDistances", "label_distances", "surface_distances"]

_ROUNDING = 1e-6  # what binary fractions of a spacing such as 0.1 mm may add to a distance
_LEAF = 32
_Box = tuple[slice, ...]
_Mask = npt.NDArray[np.bool_]
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """How far the borders of two masks are apart.

    Args:
        hd95: The greater of the two directed 95th percentiles of the distances, in mm or pixels.
        assd: Mean of the distances of both directions together, in mm or pixels.
        nsd: Share of all border voxels of both masks that are no further than the tolerance from the other's border
            (Nikolov 2021, doi:10.2196/26151, there by area).

    All are NaN where both masks are empty. Where one is, no distance exists (NaN), and `nsd` is 0.
    """

    hd95: float = math.nan
    assd: float = math.nan
    nsd: float = math.nan


def surface_distances(prediction: _Mask, reference: _Mask, geometry: Geometry, tolerance: float) -> SurfaceDistances:
    """Measure two masks of one structure; swapping them changes nothing.

    Args:
        prediction: Boolean, shape (x, y[, z]), or a box of the grid that holds all of both masks.
        reference: The same of the reference.
        geometry: The grid of both.
        tolerance: Of `nsd`, in mm, or in pixels where the spacing is unknown.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    _same_shape(prediction, reference)
    predicted, true = _border(prediction.astype(bool)), _border(reference.astype(bool))
    found = predicted.any(), true.any()
    if not all(found):
        return SurfaceDistances(nsd=0.0 if any(found) else math.nan)
    there, back = _nearest(predicted, true, geometry), _nearest(true, predicted, geometry)
    both = np.concatenate([there, back])
    return SurfaceDistances(
        hd95=float(max(np.percentile(there, 95), np.percentile(back, 95))),
        assd=float(both.mean()),
        nsd=float((both <= tolerance + _ROUNDING).mean()),
    )


def label_distances(
    prediction: np.ndarray, reference: np.ndarray, labels: Labels, geometry: Geometry, tolerance: float
) -> list[SurfaceDistances]:
    """Measure two masks of class indices, label by label.

    Voxels that the reference leaves unjudged are background in both masks, as in `overlaps`: a border along
    them is a border of both.

    Args:
        prediction: Class indices (uint8), shape (x, y[, z]); of overlapping labels, channels of 0 and 1, shape
            (labels, x, y[, z]).
        reference: The same of the reference, `IGNORE_INDEX` where nobody judged.
        labels: The labels of both, in the order of their indices.
        geometry: The grid of both.
        tolerance: As in `surface_distances`.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    _same_shape(prediction, reference)
    boxes = zip(_boxes(prediction, labels), _boxes(reference, labels), strict=True)
    found = []
    for place, (one, other) in enumerate(boxes):
        if one is None and other is None:
            found.append(SurfaceDistances())
            continue
        index, channel = (place + 1, ()) if labels.exclusive else (1, (place,))
        box = (*channel, *_around(one, other))
        predicted, true = prediction[box], reference[box]
        masks = (predicted == index) & (true != IGNORE_INDEX), true == index
        found.append(surface_distances(*masks, geometry, tolerance))
    return found


def _same_shape(prediction: np.ndarray, reference: np.ndarray) -> None:
    if prediction.shape != reference.shape:
        raise GridMismatchError(
            "prediction",
            f"a mask of shape {prediction.shape} against a reference of {reference.shape}",
            "Measure masks on one grid.",
        )


def _boxes(indices: np.ndarray, labels: Labels) -> list[_Box | None]:
    """Bounding box of each label, found in one pass over the volume."""
    if labels.exclusive:
        return list(find_objects(indices, len(labels.names)))
    return [find_objects(channel, 1)[0] for channel in indices]


def _around(*boxes: _Box | None) -> _Box:
    """The smallest box that holds these."""
    sides = zip(*(box for box in boxes if box is not None), strict=True)
    return tuple(slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)


def _border(mask: _Mask) -> _Mask:
    """Voxels of the mask with a neighbour outside it."""
    padded = np.pad(mask, 1)
    inner = mask.copy()
    for axis in range(mask.ndim):
        for start in (0, 2):
            window = [slice(1, -1)] * mask.ndim
            window[axis] = slice(start, start + mask.shape[axis])
            inner &= padded[tuple(window)]
    border: _Mask = mask & ~inner
    return border


def _nearest(border: _Mask, other: _Mask, geometry: Geometry) -> _Floats:
    """Distance of every voxel of a border to the nearest of the other; most are shared in good masks, and are 0."""
    axes = geometry.affine[:-1, :-1]
    apart = border & ~other
    distances = np.zeros(int(border.sum()))
    if apart.any():
        tree = cKDTree(np.argwhere(other) @ axes.T, leafsize=_LEAF, balanced_tree=False)  # built twice as fast
        far, _which = tree.query(np.argwhere(apart) @ axes.T)
        distances[: len(far)] = far
    return distances
