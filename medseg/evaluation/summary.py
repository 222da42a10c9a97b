"""Scores as tables: one row a case and label, and their summary over cases."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.evaluation.columns import DISTANCES, LESION_SCORES, METRICS, OVERLAPS, SCORE_COLUMNS, SUMMARY_COLUMNS
from medseg.evaluation.scoring import Scoring

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL_LABELS", "means_of_labels", "scores_table", "summarise"]

_COUNTS = ("n", "patients", "n_empty", "n_one_empty", "n_unjudged")
_BLANK = {"str": "", "float64": math.nan, "int64": 0, "bool": False}
# What no number stands for where a label is empty in one mask alone.
_UNDEFINED_OF_ONE = (
    *(name for names in DISTANCES.values() for name in names if not name.startswith("nsd")),
    "relative_volume_difference",
)
ALL_LABELS = "(mean of labels)"


def scores_table(rows: list[dict[str, Any]]) -> "pd.DataFrame":
    """Rows of `score_case` as a table; without rows it still has every column."""
    import pandas as pd

    blank = {name: _BLANK[kind] for name, kind in SCORE_COLUMNS.items()}
    return pd.DataFrame([blank | row for row in rows], columns=list(SCORE_COLUMNS)).astype(SCORE_COLUMNS)


def summarise(
    scores: "pd.DataFrame", patients: Mapping[str, str] | None = None, scoring: Scoring | None = None
) -> "pd.DataFrame":
    """Each label's scores over the cases, and those of the mean over labels.

    What is NaN is left out of mean, sd, median, min and max, and counted: in `n_empty` where the label is empty in
    both masks, in `n_one_empty` where it is empty in one of them (distances, and the relative volume difference of an
    empty reference: an overlap and an NSD are 0 there), in `n_unjudged` where nobody looked for the label in the case.
    A mean distance is therefore one of the cases in which the label was found at all: read it beside `n_one_empty`.

    The rows called "(mean of labels)" first take the mean over the labels within each case, so that their
    sd is the spread between cases; there are none where only one label exists. A case with a label empty in one of the
    masks has no mean distance, or else missing a label would improve it.

    Args:
        scores: One row a case and label, as `scores_table` gives.
        patients: Whose each case is; each its own where left out.
        scoring: Says how often patients are drawn, and the seed.

    Returns:
        One row a label and metric: mean with its 95% interval (low, high: `mean_interval`, by patient), sample
        standard deviation (n - 1; empty for one case), median, min, max, n (cases counted), patients (that they are
        of), n_empty, n_one_empty and n_unjudged. Distances in mm are of the cases whose spacing is known, those in
        pixels of the others; a unit that no case has is left out. Of fewer than five patients there is no interval.
    """
    import pandas as pd

    scores = scores.assign(one_empty=_one_empty(scores))
    groups = [(str(label), rows.set_index("case")) for label, rows in scores.groupby("label", sort=False)]
    if len(groups) > 1:
        groups.append((ALL_LABELS, means_of_labels(scores)))
    rows, counted = [], []
    for label, group in groups:
        for unit, metrics in (("", OVERLAPS), *DISTANCES.items(), ("", LESION_SCORES)):
            for metric in metrics if not unit or (scores["unit"] == unit).any() else ():
                own, known = _figures(group, metric)
                rows.append({"label": label, "metric": metric} | own)
                counted.append(known)
    around = _intervals(counted, list(dict.fromkeys(scores["case"])), patients or {}, scoring or Scoring())
    rows = [row | own for row, own in zip(rows, around, strict=True)]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS)).astype(dict.fromkeys(_COUNTS, "int64"))


def _intervals(
    counted: "Sequence[pd.Series]", cases: list[str], patients: Mapping[str, str], scoring: Scoring
) -> list[dict[str, Any]]:
    """Of the values of each score, by case."""
    # The package also has the subgroups, which need this module.
    from medseg.evaluation.statistics.intervals import mean_intervals

    if not counted:
        return []
    table = np.stack([values.reindex(cases).to_numpy(float) for values in counted], axis=1)
    whose = [patients.get(case, case) for case in cases]
    found = mean_intervals(table, whose, resamples=scoring.resamples, seed=scoring.seed)
    return [{"low": one.low, "high": one.high, "patients": one.patients} for one in found]


def means_of_labels(scores: "pd.DataFrame") -> "pd.DataFrame":
    """One row a case: the mean over its labels of each metric; no distance where a label is empty in one mask.

    Args:
        scores: One row a case and label, as `scores_table` gives.

    Returns:
        Indexed by case; columns `METRICS`, `judged`, `one_empty` (whether any label is) and `unit`.
    """
    cases = scores.assign(one_empty=_one_empty(scores) & scores["judged"]).groupby("case", sort=False)
    found = cases[list(METRICS)].mean()
    found = found.assign(judged=cases["judged"].any(), one_empty=cases["one_empty"].any(), unit=cases["unit"].first())
    found.loc[found["one_empty"], list(_UNDEFINED_OF_ONE)] = math.nan
    return found


def _one_empty(scores: "pd.DataFrame") -> "pd.Series":
    return (scores["predicted_voxels"] == 0) != (scores["reference_voxels"] == 0)


def _figures(group: "pd.DataFrame", metric: str) -> "tuple[dict[str, Any], pd.Series]":
    """All but the interval, and the values that count, by case."""
    unit = next((unit for unit, metrics in DISTANCES.items() if metric in metrics), None)
    group = group if unit is None else group[group["unit"] == unit]
    judged = group[group["judged"]]
    missing = judged[metric].isna()
    counted = judged[metric][~missing]
    figures = {
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
    return figures, counted
