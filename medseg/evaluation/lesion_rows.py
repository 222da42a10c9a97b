"""The lesions of a case as rows of a table: size, whether they were matched, with which, and how sure the model was."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from medseg.evaluation.columns import LESION_COLUMNS
from medseg.evaluation.lesions import LesionMatch
from medseg.evaluation.scoring import Scoring
from medseg.geometry import Geometry

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["confidences_of", "lesion_rows", "lesions_table"]

_Floats = npt.NDArray[np.float64]
_Sides = tuple[tuple[str, npt.NDArray[np.int64]], ...]


def confidences_of(instances: np.ndarray, probabilities: np.ndarray | None, scoring: Scoring) -> _Floats:
    """Greatest or mean probability of each predicted lesion; NaN where there are no probabilities.

    Args:
        instances: Lesions numbered 1, 2, ..., shape (x, y[, z]).
        probabilities: Of their label, of the same shape.
        scoring: Which of the two.
    """
    count = int(instances.max(initial=0))
    if probabilities is None:
        return np.full(count, math.nan)
    inside = instances > 0
    numbers, shares = instances[inside] - 1, np.asarray(probabilities)[inside].astype(np.float64)
    if scoring.confidence == "mean":
        means: _Floats = np.bincount(numbers, shares, count) / np.bincount(numbers, minlength=count)
        return means
    most = np.zeros(count)
    np.maximum.at(most, numbers, shares)
    return most


def lesion_rows(
    case: str, label: str, match: LesionMatch, confidences: _Floats, geometry: Geometry
) -> list[dict[str, Any]]:
    """A row a lesion, those of the reference first; keys as `LESION_COLUMNS`.

    Args:
        case: Goes into every row.
        label: Likewise.
        match: The lesions.
        confidences: Of the predicted ones. A reference lesion has the greatest of those that found it.
        geometry: Their grid.
    """
    name = ("volume_ml" if geometry.ndim == 3 else "area_mm2") if geometry.spacing_known else ""
    scale = geometry.voxel_size / (1000 if geometry.ndim == 3 else 1)
    sides: _Sides = (("reference", match.reference_voxels), ("predicted", match.predicted_voxels))
    rows = []
    for (side, voxels), column in zip(sides, (1, 0), strict=True):
        sure = confidences if side == "predicted" else _of_finders(match, confidences)
        matched, partner = _partners(match, column, len(voxels))
        iou, overlap = _overlaps(match, column, voxels)
        doubled = np.isin(np.arange(len(voxels)), match.duplicates) & (side == "predicted")
        sizes = (voxels * scale).tolist()
        blank = [math.nan] * len(sizes)
        own = {"volume_ml": blank, "area_mm2": blank} | ({name: sizes} if name else {})
        columns = (voxels, *own.values(), matched, doubled, partner, iou, overlap, sure)
        listed = zip(*(one if isinstance(one, list) else one.tolist() for one in columns), strict=True)
        for number, values in enumerate(listed, start=1):
            rows.append(dict(zip(LESION_COLUMNS, (case, label, side, number, *values), strict=True)))
    return rows


def lesions_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """The rows as a table; without rows it still has every column."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(LESION_COLUMNS)).astype(LESION_COLUMNS)


def _of_finders(match: LesionMatch, confidences: _Floats) -> _Floats:
    most = np.full(len(match.reference_voxels), math.nan)
    if len(match.pairs):
        np.fmax.at(most, match.pairs[:, 1], confidences[match.pairs[:, 0]])
    return most


def _partners(match: LesionMatch, column: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each lesion of a side was matched, and the number of its partner (of several the first; 0 for none)."""
    partner = np.zeros(count, np.int64)
    partner[match.pairs[::-1, column]] = match.pairs[::-1, 1 - column] + 1
    return partner > 0, partner


def _overlaps(match: LesionMatch, column: int, voxels: np.ndarray) -> tuple[_Floats, _Floats]:
    """Greatest IoU with a lesion of the other side, and the share of own voxels that the other side has."""
    iou, shared = np.zeros(len(voxels)), np.zeros(len(voxels))
    own = match.touching[:, column]
    sizes = match.predicted_voxels[match.touching[:, 0]] + match.reference_voxels[match.touching[:, 1]]
    np.maximum.at(iou, own, match.iou)
    np.add.at(shared, own, match.iou * sizes / (1 + match.iou))
    return iou, shared / np.maximum(1, voxels)
