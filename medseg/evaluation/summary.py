"""Scores as tables: one row a case and label, and their summary over cases."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.evaluation.distances import label_distances
from medseg.evaluation.scores import overlaps
from medseg.geometry import Geometry
from medseg.labels import Labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALL_LABELS", "DISTANCES", "METRICS", "OVERLAPS", "SCORE_COLUMNS", "SUMMARY_COLUMNS",
    "score_case", "scores_table", "summarise",
]  # fmt: skip

OVERLAPS = ("dice", "iou", "precision", "recall", "accuracy")
# By the unit of the grid: a spacing that is unknown is not 1 mm, nor is a tolerance in pixels one in mm.
DISTANCES = {"mm": ("hd95_mm", "assd_mm", "nsd"), "px": ("hd95_px", "assd_px", "nsd_px")}
METRICS = (*OVERLAPS, *DISTANCES["mm"], *DISTANCES["px"])
SCORE_COLUMNS = {
    "case": "str",
    "label": "str",
    **dict.fromkeys(METRICS, "float64"),
    "predicted_voxels": "int64",
    "reference_voxels": "int64",
    "judged": "bool",
    "unit": "str",
}
_COUNTS = ("n", "n_empty", "n_one_empty", "n_unjudged")
SUMMARY_COLUMNS = ("label", "metric", "mean", "sd", "median", "min", "max", *_COUNTS)
ALL_LABELS = "(mean of labels)"


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Labels,
    case: str = "",
    judged: Sequence[str] | None = None,
    geometry: Geometry | None = None,
    nsd_tolerance: float = 1.0,
) -> list[dict[str, Any]]:
    """Score one predicted mask.

    Args:
        prediction: File values, shape (x, y[, z]); of labels that overlap, channels of 0 and 1, shape
            (labels, x, y[, z]).
        reference: The same on the same grid; voxels with the ignore value (of channels `IGNORE_INDEX`) count in no
            score.
        labels: What the values of both mean.
        case: Goes into every row.
        judged: Labels that the reference's readers looked for; the others have no score. All where left out.
        geometry: The grid of both; distances are in pixels where it is left out or its spacing is unknown.
        nsd_tolerance: How far apart borders may be for the normalised surface Dice: mm, or pixels as above.

    Returns:
        A row for each label, with the keys of `SCORE_COLUMNS`; distances in the columns of their unit.

    Raises:
        GridMismatchError: The masks are of different shapes.
        LabelError: A mask holds a value that is not declared.
    """
    predicted, true = prediction, reference
    if labels.exclusive:
        predicted = labels.to_indices(prediction, f"{case} (prediction)")
        true = labels.to_indices(reference, f"{case} (reference)")
    geometry = geometry or Geometry.from_spacing(prediction.shape[0 if labels.exclusive else 1 :], None)
    unit = "mm" if geometry.spacing_known else "px"
    found = overlaps(predicted, true, labels, case or "prediction")
    rows = []
    for overlap, apart in zip(found, label_distances(predicted, true, labels, geometry, nsd_tolerance), strict=True):
        scores = {metric: getattr(overlap, metric) for metric in OVERLAPS}
        scores |= dict(zip(DISTANCES[unit], (apart.hd95, apart.assd, apart.nsd), strict=True))
        looked_for = _looked_for(overlap.label, judged)
        rows.append(
            {"case": case, "label": overlap.label}
            | {metric: scores.get(metric, math.nan) if looked_for else math.nan for metric in METRICS}
            | {
                "predicted_voxels": overlap.true_positive + overlap.false_positive,
                "reference_voxels": overlap.true_positive + overlap.false_negative,
                "judged": looked_for,
                "unit": unit,
            }
        )
    return rows


def _looked_for(label: str, judged: Sequence[str] | None) -> bool:
    return judged is None or label in judged


def scores_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """Rows of `score_case` as a table; without rows it still has every column."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype(SCORE_COLUMNS)


def summarise(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Each label's scores over the cases, and those of the mean over labels.

    What is NaN is left out of mean, sd, median, min and max, and counted: in `n_empty` where the label is empty in
    both masks, in `n_one_empty` where it is empty in one of them (distances alone: an overlap and an NSD are 0
    there), in `n_unjudged` where nobody looked for the label in the case. A mean distance is therefore one of the cases
    in which the label was found at all: read it beside `n_one_empty`.

    The rows called "(mean of labels)" first take the mean over the labels within each case, so that their
    sd is the spread between cases; there are none where only one label exists. A case with a label empty in one of the
    masks has no mean distance, or else missing a label would improve it.

    Args:
        scores: One row a case and label, as `scores_table` gives.

    Returns:
        One row a label and metric: mean, sample standard deviation (n - 1; empty for one case), median, min, max,
        n (cases counted), n_empty, n_one_empty and n_unjudged. Distances in mm are of the cases whose spacing is
        known, those in pixels of the others; a unit that no case has is left out.
    """
    import pandas as pd

    scores = scores.assign(one_empty=(scores["predicted_voxels"] == 0) != (scores["reference_voxels"] == 0))
    groups = [(str(label), rows) for label, rows in scores.groupby("label", sort=False)]
    if len(groups) > 1:
        groups.append((ALL_LABELS, _means_of_labels(scores)))
    rows = [
        {"label": label, "metric": metric} | _figures(group, metric)
        for label, group in groups
        for unit, metrics in (("", OVERLAPS), *DISTANCES.items())
        if not unit or (scores["unit"] == unit).any()
        for metric in metrics
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)).astype(dict.fromkeys(_COUNTS, "int64"))


def _means_of_labels(scores: "pd.DataFrame") -> "pd.DataFrame":
    """One row a case: the mean over its labels of each metric; no distance where a label is empty in one mask."""
    cases = scores.assign(one_empty=scores["one_empty"] & scores["judged"]).groupby("case", sort=False)
    found = cases[list(METRICS)].mean()
    found = found.assign(judged=cases["judged"].any(), one_empty=cases["one_empty"].any(), unit=cases["unit"].first())
    found.loc[found["one_empty"], [name for name in METRICS if name.startswith(("hd95", "assd"))]] = math.nan
    return found


def _figures(group: "pd.DataFrame", metric: str) -> dict[str, Any]:
    unit = next((unit for unit, metrics in DISTANCES.items() if metric in metrics), None)
    group = group if unit is None else group[group["unit"] == unit]
    judged = group[group["judged"]]
    missing = judged[metric].isna()
    counted = judged[metric][~missing]
    return {
        "mean": counted.mean(),
        "sd": counted.std(ddof=1),
        "median": counted.median(),
        "min": counted.min(),
        "max": counted.max(),
        "n": len(counted),
        "n_empty": int((missing & ~judged["one_empty"]).sum()),
        "n_one_empty": int((missing & judged["one_empty"]).sum()),
        "n_unjudged": len(group) - len(judged),
    }
