"""What each component of a prediction has of the reference: all that choosing a post-processing needs of a case."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.image import Segmentation
from medseg.labels import IGNORE_INDEX
from medseg.regions.keeping import component_size, components_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AS_PREDICTED", "COMPONENT_COLUMNS", "THRESHOLDS", "component_rows", "components_table"]

AS_PREDICTED = 0.5
THRESHOLDS = (0.2, 0.3, 0.4, 0.6, 0.7, 0.8)
COMPONENT_COLUMNS = {
    "case": "str",
    "label": "str",
    "threshold": "float64",
    "component": "int64",
    "size": "float64",
    "voxels": "int64",
    "hits": "int64",
    "reference": "int64",
}


def component_rows(
    case: str, predicted: Segmentation, reference: Segmentation, judged: Sequence[str]
) -> list[dict[str, Any]]:
    """The components of a predicted mask, and of what other thresholds would make of its probabilities.

    Args:
        case: Goes into every row.
        predicted: The mask; with probabilities, other thresholds than 0.5 are looked at where each label has its own
            (one label, or labels that may overlap).
        reference: The reference on the same grid.
        judged: Labels that somebody looked for in the case; the others have no row.

    Returns:
        Rows with the keys of `COMPONENT_COLUMNS`, of each label and threshold the largest component first: `size` as
        `component_size` gives it, `voxels` that were judged, `hits` that the reference has too, and the `reference`'s
        voxels in all. Where there is no component, a row says so with component 0.
    """
    labels = predicted.labels
    tried = (AS_PREDICTED, *(THRESHOLDS if not labels.exclusive or len(labels.names) == 1 else ()))
    rows: list[dict[str, Any]] = []
    for place, name in enumerate(labels.names):
        if name not in judged:
            continue
        true, known = _judged(reference, place, name)
        for threshold in tried if predicted.probabilities is not None else tried[:1]:
            inside = predicted.of(name)
            if threshold != AS_PREDICTED and predicted.probabilities is not None:
                inside = predicted.probabilities[place] >= threshold
            about = {"case": case, "label": name, "threshold": threshold, "reference": int(true.sum())}
            rows += [about | found for found in _components(inside, known, true, predicted)]
    return rows


def _judged(reference: Segmentation, place: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Where the reference has a label, and where it says anything of it."""
    labels = reference.labels
    if not labels.exclusive:
        return reference.mask[place] == 1, reference.mask[place] != IGNORE_INDEX
    known = np.ones(reference.mask.shape, bool) if labels.ignore is None else reference.mask != labels.ignore
    return reference.of(name), known


def _components(
    inside: np.ndarray, known: np.ndarray, true: np.ndarray, predicted: Segmentation
) -> list[dict[str, Any]]:
    found = [
        {
            "component": region.id,
            "size": component_size(region.voxels, predicted.geometry),
            "voxels": int((known[region.box] & region.mask).sum()),
            "hits": int((true[region.box] & region.mask).sum()),
        }
        for region in components_of(inside)
    ]
    return found or [{"component": 0, "size": 0.0, "voxels": 0, "hits": 0}]


def components_table(rows: Sequence[dict[str, Any]]) -> "pd.DataFrame":
    """The rows as a table; without rows it still has every column."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=list(COMPONENT_COLUMNS)).astype(COMPONENT_COLUMNS)
