"""Scores as tables: one row a case and label, and their summary over cases."""

from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.evaluation.scores import overlaps
from medseg.labels import Labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL_LABELS", "METRICS", "SCORE_COLUMNS", "SUMMARY_COLUMNS", "score_case", "scores_table", "summarise"]

METRICS = ("dice", "iou", "precision", "recall", "accuracy")
SCORE_COLUMNS = {
    "case": "str",
    "label": "str",
    **dict.fromkeys(METRICS, "float64"),
    "predicted_voxels": "int64",
    "reference_voxels": "int64",
}
SUMMARY_COLUMNS = ("label", "metric", "mean", "sd", "median", "min", "max", "n", "n_empty")
ALL_LABELS = "(mean of labels)"


def score_case(prediction: np.ndarray, reference: np.ndarray, labels: Labels, case: str = "") -> list[dict[str, Any]]:
    """Score one predicted mask.

    Args:
        prediction: File values, shape (x, y[, z]).
        reference: File values on the same grid; voxels with the ignore value count in no score.
        labels: What the values of both mean.
        case: Goes into every row.

    Returns:
        A row for each label, with the keys of `SCORE_COLUMNS`.

    Raises:
        GridMismatchError: The masks are of different shapes.
        LabelError: A mask holds a value that is not declared.
    """
    found = overlaps(
        labels.to_indices(prediction, f"{case} (prediction)"), labels.to_indices(reference, f"{case} (reference)"),
        labels, case or "prediction",
    )  # fmt: skip
    return [
        {"case": case, "label": overlap.label}
        | {metric: getattr(overlap, metric) for metric in METRICS}
        | {
            "predicted_voxels": overlap.true_positive + overlap.false_positive,
            "reference_voxels": overlap.true_positive + overlap.false_negative,
        }
        for overlap in found
    ]


def scores_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """Rows of `score_case` as a table; without rows it still has every column."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype(SCORE_COLUMNS)


def summarise(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Each label's scores over the cases, and those of the mean over labels.

    A score that is NaN (the label is empty in both masks) is left out of mean, sd, median, min and max, and counted in
    `n_empty`. The rows called "(mean of labels)" first take the mean over the labels within each case, so that their
    sd is the spread between cases; there are none where only one label exists.

    Args:
        scores: One row a case and label, as `scores_table` gives.

    Returns:
        One row a label and metric: mean, sample standard deviation (n - 1; empty for one case), median, min, max,
        n (cases counted) and n_empty.
    """
    import pandas as pd

    groups = [(str(label), rows) for label, rows in scores.groupby("label", sort=False)]
    if len(groups) > 1:
        metrics = list(METRICS)
        groups.append((ALL_LABELS, scores.groupby("case", sort=False)[metrics].mean()))
    rows = [
        {"label": label, "metric": metric} | _figures(group[metric]) for label, group in groups for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)).astype({"n": "int64", "n_empty": "int64"})


def _figures(values: "pd.Series") -> dict[str, Any]:
    counted = values.dropna()
    return {
        "mean": counted.mean(),
        "sd": counted.std(ddof=1),
        "median": counted.median(),
        "min": counted.min(),
        "max": counted.max(),
        "n": len(counted),
        "n_empty": len(values) - len(counted),
    }
