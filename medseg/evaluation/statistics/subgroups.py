"""Scores by subgroup of the cases (sex, scanner, view), with intervals and a test between the groups."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.errors import DatasetError, InputError
from medseg.evaluation.columns import METRICS
from medseg.evaluation.statistics.grouping import MISSING, Grouping, group_cases
from medseg.evaluation.statistics.holm import holm
from medseg.evaluation.statistics.intervals import FEWEST_PATIENTS, mean_interval
from medseg.evaluation.statistics.paired import paired_test
from medseg.evaluation.summary import ALL_LABELS, means_of_labels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUBGROUP_COLUMNS", "subgroup_table"]

SUBGROUP_COLUMNS = (
    "label", "metric", "column", "value", "mean", "low", "high", "n", "patients", "test", "p", "p_holm", "note",
)  # fmt: skip
# By group, then patient: the mean over the patient's cases in that group.
_Means = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Test:
    name: str = ""
    p: float = math.nan
    note: str = ""


def subgroup_table(
    scores: "pd.DataFrame",
    facts: "pd.DataFrame",
    column: str,
    metrics: Sequence[str] = ("dice",),
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> "pd.DataFrame":
    """Means of each group with intervals, by label and metric, and whether the groups differ.

    The test is of one value a patient and group, the mean over its cases: Mann–Whitney's of two groups, Kruskal and
    Wallis' of more. Groups of fewer than five patients, and cases of which the column says nothing, have their row
    and take no part in it. If at least half of the patients are in both of two groups (two views of a breast, say),
    it is Wilcoxon's signed-rank test of those; otherwise patients in several groups are left out of the test, as it
    supposes independent groups. `p_holm` is adjusted over all tests of the table.

    Args:
        scores: A row a case and label, as `Evaluation.cases`.
        facts: A row a case, as `Evaluation.facts`.
        column: Of `facts`. A column of many numbers is cut at its median, and the note says so.
        metrics: Names of `medseg.evaluation.METRICS`.
        level: Confidence of the intervals.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Returns:
        Columns as `SUBGROUP_COLUMNS`, a row a label, metric and group; test and p are those of all groups of the label
        and metric and stand in each of its rows. A metric that no case has a value of is left out.

    Raises:
        InputError: A column or metric is unknown, or the column holds names instead of groups.
        DatasetError: A scored case has no row of facts, or two.
    """
    import pandas as pd

    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise InputError("metrics", f"no metric {unknown[0]!r}", "Name one of the scores.", ", ".join(METRICS))
    grouping = group_cases(facts, column)
    strangers = [case for case in scores["case"] if case not in grouping.of_case]
    if strangers:
        raise DatasetError("facts", f"case {strangers[0]} has no row", "Pass the facts of the same evaluation.")
    patients = dict(zip(facts["case"].astype(str), facts["patient"].astype(str), strict=True))
    rows: list[dict[str, Any]] = []
    tests: list[float] = []
    for label, own in _by_label(scores):
        own = own.assign(_patient=own.index.map(patients), _group=own.index.map(grouping.of_case))
        for metric in metrics:
            known = own[own[metric].notna()]
            if known.empty:
                continue
            test = _tested(_patient_means(known, metric))
            about = {"label": label, "metric": metric, "column": column, "_test": len(tests)}
            tests.append(test.p)
            rows += [
                about | row for row in _rows(known, metric, grouping, test, level=level, resamples=resamples, seed=seed)
            ]
    adjusted = holm(tests)
    rows = [row | {"p_holm": adjusted[row["_test"]]} for row in rows]
    return pd.DataFrame(rows, columns=list(SUBGROUP_COLUMNS)).astype({"n": "int64", "patients": "int64"})


def _by_label(scores: "pd.DataFrame") -> "Iterator[tuple[str, pd.DataFrame]]":
    """The scores of each label, and of the mean of labels where there are several, indexed by case."""
    names = list(dict.fromkeys(scores["label"]))
    for label in names:
        yield label, scores[scores["label"] == label].set_index("case")
    if len(names) > 1:
        yield ALL_LABELS, means_of_labels(scores)


def _rows(known: "pd.DataFrame", metric: str, grouping: Grouping, test: _Test, **how: Any) -> Iterator[dict[str, Any]]:
    for name in grouping.names:
        rows = known[known["_group"] == name]
        found = mean_interval(rows[metric].to_numpy(float), rows["_patient"].to_numpy(object), **how)
        notes = dict.fromkeys(note for note in (found.note, grouping.note, test.note) if note)
        figures = {"mean": found.mean, "low": found.low, "high": found.high, "n": found.n, "patients": found.patients}
        yield {"value": name} | figures | {"test": test.name, "p": test.p, "note": "; ".join(notes)}


def _patient_means(known: "pd.DataFrame", metric: str) -> dict[str, dict[str, float]]:
    """Of the groups that can be tested."""
    found: dict[str, dict[str, float]] = {}
    means = known.groupby(["_group", "_patient"])[metric].mean().round(10).reset_index()
    for name, patient, value in means.itertuples(index=False, name=None):
        found.setdefault(str(name), {})[str(patient)] = float(value)
    found.pop(MISSING, None)
    return {name: means for name, means in found.items() if len(means) >= FEWEST_PATIENTS}


def _tested(means: _Means) -> _Test:
    from scipy.stats import kruskal, mannwhitneyu

    if len(means) < 2:
        return _Test(note=f"no test: fewer than two groups of {FEWEST_PATIENTS} patients")
    everyone = {patient for own in means.values() for patient in own}
    shared = {patient for patient in everyone if sum(patient in own for own in means.values()) > 1}
    if len(means) == 2 and len(shared) >= max(FEWEST_PATIENTS, len(everyone) / 2):
        return _within(*means.values(), shared=sorted(shared), everyone=len(everyone))
    note = f"{len(shared)} patients in several groups left out of the test" if shared else ""
    alone = [[value for patient, value in own.items() if patient not in shared] for own in means.values()]
    if min(map(len, alone)) < FEWEST_PATIENTS:
        return _Test(note=f"no test: {len(shared)} of {len(everyone)} patients are in several groups")
    if np.ptp(np.concatenate(alone)) == 0:
        return _Test(note="no test: all values are equal")
    name, test = ("Mann–Whitney", mannwhitneyu) if len(alone) == 2 else ("Kruskal–Wallis", kruskal)
    return _Test(name, float(test(*alone).pvalue), note)


def _within(one: Mapping[str, float], other: Mapping[str, float], *, shared: Sequence[str], everyone: int) -> _Test:
    """Two groups of which most patients are in both."""
    found = paired_test([one[name] for name in shared], [other[name] for name in shared], shared, resamples=100)
    only = f"{everyone - len(shared)} patients in one group only left out of the test" if everyone > len(shared) else ""
    return _Test("Wilcoxon signed-rank", found.wilcoxon_p, "; ".join(note for note in (found.note, only) if note))
