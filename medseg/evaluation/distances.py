"""How far apart the borders of two masks are: HD, HD95, ASSD, MASD and NSD, label by label, in mm or pixels.

Definitions as MONAI's and those of Metrics Reloaded (Maier-Hein 2024, doi:10.1038/s41592-023-02151-z), between border
voxels; or, as "surface-distance", those of DeepMind's package between elements of surface: see
`medseg.evaluation.borders`. The two differ a bit. Where the spacing is unknown distances are in pixels, never in
"mm of 1".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from medseg.errors import GridMismatchError
from medseg.evaluation.borders import directed_distances
from medseg.evaluation.scoring import BORDER_VOXELS, Definition
from medseg.geometry import Geometry
from medseg.labels import IGNORE_INDEX, Labels

__all__ = ["SurfaceDistances", "label_boxes", "label_distances", "label_masks", "surface_distances"]

_Box = tuple[slice, ...]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SurfaceDistances:
    """How far the borders of two masks are apart.

    Args:
        hd95: The greater of the two directed 95th percentiles of the distances, in mm or pixels.
        assd: Mean of the distances of both directions together, in mm or pixels.
        nsd: Share of both borders that is no further than the tolerance from the other (Nikolov 2021,
            doi:10.2196/26151).
        hd: The greatest distance of all, in mm or pixels: Hausdorff's.
        masd: Mean of the two directed means, in mm or pixels.

    All are NaN where both masks are empty. Where one is, no distance exists (NaN), and `nsd` is 0.
    """

    hd95: float = math.nan
    assd: float = math.nan
    nsd: float = math.nan
    hd: float = math.nan
    masd: float = math.nan


def surface_distances(
    prediction: _Mask,
    reference: _Mask,
    geometry: Geometry,
    tolerance: float,
    definition: Definition = BORDER_VOXELS,
) -> SurfaceDistances:
    """Measure two masks of one structure; swapping them changes nothing.

    Args:
        prediction: Boolean, shape (x, y[, z]), or a box of the grid that holds all of both masks.
        reference: The same of the reference.
        geometry: The grid of both.
        tolerance: Of `nsd`, in mm, or in pixels where the spacing is unknown.
        definition: What a border is, and how its parts count.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    _same_shape(prediction, reference)
    found = bool(prediction.any()), bool(reference.any())
    if not all(found):
        return SurfaceDistances(nsd=0.0 if any(found) else math.nan)
    both = directed_distances(prediction.astype(bool), reference.astype(bool), geometry, definition)
    weight = sum(one.weight for one in both)
    return SurfaceDistances(
        hd95=max(one.percentile(95) for one in both),
        assd=sum(one.total for one in both) / weight,
        nsd=sum(one.within(tolerance) for one in both) / weight,
        hd=max(float(one.distances.max()) for one in both),
        masd=sum(one.mean for one in both) / 2,
    )


def label_distances(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Labels,
    geometry: Geometry,
    tolerance: float | Sequence[float],
    definition: Definition = BORDER_VOXELS,
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
        tolerance: As in `surface_distances`; one for all labels, or one each.
        definition: As in `surface_distances`.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    each = [tolerance] * len(labels.names) if isinstance(tolerance, (int, float)) else tolerance
    found = []
    for place, (box, far) in enumerate(zip(label_boxes(prediction, reference, labels), each, strict=True)):
        masks = label_masks(prediction, reference, labels, place, box)
        found.append(SurfaceDistances() if masks is None else surface_distances(*masks, geometry, far, definition))
    return found


def label_boxes(prediction: np.ndarray, reference: np.ndarray, labels: Labels) -> list[_Box | None]:
    """The smallest box of the grid that holds a label in both masks, for each label; none where neither has it.

    Raises:
        GridMismatchError: The masks are of different shapes.
    """
    _same_shape(prediction, reference)
    boxes = zip(_boxes(prediction, labels), _boxes(reference, labels), strict=True)
    return [None if one is None and other is None else _around(one, other) for one, other in boxes]


def label_masks(
    prediction: np.ndarray, reference: np.ndarray, labels: Labels, place: int, box: _Box | None
) -> tuple[_Mask, _Mask] | None:
    """Both masks of one label within its box, boolean, without what nobody judged; none where there is no box."""
    if box is None:
        return None
    index, channel = (place + 1, ()) if labels.exclusive else (1, (place,))
    predicted, true = prediction[(*channel, *box)], reference[(*channel, *box)]
    return (predicted == index) & (true != IGNORE_INDEX), true == index


def _same_shape(prediction: np.ndarray, reference: np.ndarray) -> None:
    if prediction.shape != reference.shape:
        raise GridMismatchError(
            "prediction",
            f"a mask of shape {prediction.shape} against a reference of {reference.shape}",
            "Measure masks on one grid.",
        )


def _boxes(indices: np.ndarray, labels: Labels) -> list[_Box | None]:
    """Bounding box of each label."""
    if labels.exclusive:
        return _boxes_of(indices, len(labels.names))
    return [_boxes_of(channel, 1)[0] for channel in indices]


def _boxes_of(indices: np.ndarray, count: int) -> list[_Box | None]:
    """Of the indices 1, 2, ..., found in one pass over the part of the volume that is not background."""
    shown = _shown(indices)
    if shown is None:
        return [None] * count
    found = find_objects(indices[shown], count)
    first = [side.start for side in shown]
    return [box and tuple(slice(n + s.start, n + s.stop) for n, s in zip(first, box, strict=True)) for box in found]


def _shown(indices: np.ndarray) -> _Box | None:
    """The smallest box that holds what is not 0; found slice by slice, many times as quick as value by value."""
    slowest = int(np.argmax(np.abs(indices.strides)))
    plane = np.bitwise_or.reduce(indices, axis=slowest) != 0
    if not plane.any():
        return None
    sides = [slice(None)] * indices.ndim
    others = [axis for axis in range(indices.ndim) if axis != slowest]
    for place, axis in enumerate(others):
        sides[axis] = _extent(np.any(plane, axis=tuple(i for i in range(plane.ndim) if i != place)))
    sides[slowest] = _extent(indices[tuple(sides)].any(axis=tuple(others)))
    return tuple(sides)


def _extent(hits: npt.ArrayLike) -> slice:
    found = np.flatnonzero(hits)
    return slice(int(found[0]), int(found[-1]) + 1)


def _around(*boxes: _Box | None) -> _Box:
    """The smallest box that holds these."""
    sides = zip(*(box for box in boxes if box is not None), strict=True)
    return tuple(slice(min(s.start for s in side), max(s.stop for s in side)) for side in sides)
