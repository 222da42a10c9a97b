"""Scores as tables: one row a case and label, and their summary over cases."""

import math
from collections.abc import Sequence
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
    "judged": "bool",
}
SUMMARY_COLUMNS = ("label", "metric", "mean", "sd", "median", "min", "max", "n", "n_empty", "n_unjudged")
ALL_LABELS = "(mean of labels)"


def score_case(
    prediction: np.ndarray,
    reference: np.ndarray,
    labels: Labels,
    case: str = "",
    judged: Sequence[str] | None = None,
) -> list[dict[str, Any]]:
    """Score one predicted mask.

    Args:
        prediction: File values, shape (x, y[, z]).
        reference: File values on the same grid; voxels with the ignore value count in no score.
        labels: What the values of both mean.
        case: Goes into every row.
        judged: Labels that the reference's readers looked for; the others have no score. All where left out.

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
        | {metric: getattr(overlap, metric) if _looked_for(overlap.label, judged) else math.nan for metric in METRICS}
        | {
            "predicted_voxels": overlap.true_positive + overlap.false_positive,
            "reference_voxels": overlap.true_positive + overlap.false_negative,
            "judged": _looked_for(overlap.label, judged),
        }
        for overlap in found
    ]


def _looked_for(label: str, judged: Sequence[str] | None) -> bool:
    return judged is None or label in judged


def scores_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """Rows of `score_case` as a table; without rows it still has every column."""
    import pandas as pd

    return pd.DataFrame(rows, columns=list(SCORE_COLUMNS)).astype(SCORE_COLUMNS)


def summarise(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Each label's scores over the cases, and those of the mean over labels.

    A score that is NaN (the label is empty in both masks) is left out of mean, sd, median, min and max, and counted in
    `n_empty`; one of a label that nobody looked for in the case is left out likewise, and counted in `n_unjudged`.
    The rows called "(mean of labels)" first take the mean over the labels within each case, so that their
    sd is the spread between cases; there are none where only one label exists.

    Args:
        scores: One row a case and label, as `scores_table` gives.

    Returns:
        One row a label and metric: mean, sample standard deviation (n - 1; empty for one case), median, min, max,
        n (cases counted), n_empty and n_unjudged.
    """
    import pandas as pd

    groups = [(str(label), rows) for label, rows in scores.groupby("label", sort=False)]
    if len(groups) > 1:
        metrics = list(METRICS)
        by_case = scores.groupby("case", sort=False)
        groups.append((ALL_LABELS, by_case[metrics].mean().assign(judged=by_case["judged"].any())))
    rows = [
        {"label": label, "metric": metric}
        | _figures(group[metric][group["judged"]])
        | {"n_unjudged": int((~group["judged"]).sum())}
        for label, group in groups
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)).astype(
        dict.fromkeys(("n", "n_empty", "n_unjudged"), "int64")
    )


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
