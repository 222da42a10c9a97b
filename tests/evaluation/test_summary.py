"""Means over cases: what is counted, what is left out, and what the spread is of."""

import numpy as np
import pytest

from medseg.errors import LabelError
from medseg.evaluation import METRICS, SCORE_COLUMNS, SUMMARY_COLUMNS, score_case, scores_table, summarise
from medseg.labels import Labels

LABELS = Labels.from_config({"lung": 255, "ignore": 127})
TWO = Labels.from_config({"a": 1, "b": 2})


def row(case: str, label: str, dice: float, **others: object) -> dict:
    sizes = {"predicted_voxels": 1, "reference_voxels": 1}
    return {
        "case": case,
        "label": label,
        **dict.fromkeys(METRICS, dice),
        **sizes,
        "judged": True,
        "unit": "mm",
    } | others


def figures(summary, label, metric="dice"):
    return summary[(summary["label"] == label) & (summary["metric"] == metric)].iloc[0]


def test_a_case_is_scored_in_file_values():
    prediction, reference = np.array([[255, 255, 0, 255]]), np.array([[255, 0, 0, 127]])
    (scored,) = score_case(prediction, reference, LABELS, "x1")
    assert list(scored) == list(SCORE_COLUMNS)
    assert (scored["case"], scored["label"], scored["dice"]) == ("x1", "lung", pytest.approx(2 / 3))
    assert (scored["predicted_voxels"], scored["reference_voxels"]) == (2, 1)


def test_an_undeclared_value_is_refused_with_case_and_side():
    with pytest.raises(LabelError, match=r"x1 \(prediction\)"):
        score_case(np.array([[1]]), np.array([[0]]), LABELS, "x1")


def test_empty_cases_are_left_out_and_counted():
    table = scores_table([row("1", "a", 0.4), row("2", "a", np.nan), row("3", "a", 0.8)])
    found = figures(summarise(table), "a")
    assert (found["mean"], found["median"], found["min"], found["max"]) == pytest.approx((0.6, 0.6, 0.4, 0.8))
    assert found["sd"] == pytest.approx(np.std([0.4, 0.8], ddof=1))
    assert (found["n"], found["n_empty"]) == (2, 1)


def test_one_case_has_no_spread_and_none_has_no_mean():
    assert np.isnan(figures(summarise(scores_table([row("1", "a", 0.4)])), "a")["sd"])
    nothing = figures(summarise(scores_table([row("1", "a", np.nan)])), "a")
    assert np.isnan(nothing["mean"])
    assert (nothing["n"], nothing["n_empty"]) == (0, 1)


def test_the_mean_of_labels_is_taken_within_each_case_first():
    rows = [row("1", "a", 0.2), row("1", "b", 0.4), row("2", "a", 0.9), row("2", "b", np.nan)]
    found = figures(summarise(scores_table(rows)), "(mean of labels)")
    assert found["mean"] == pytest.approx((0.3 + 0.9) / 2)
    assert found["sd"] == pytest.approx(np.std([0.3, 0.9], ddof=1))
    assert found["n"] == 2


def test_one_label_has_no_mean_of_labels():
    assert set(summarise(scores_table([row("1", "a", 0.4)]))["label"]) == {"a"}


def test_without_any_case_the_summary_is_empty_with_its_columns():
    summary = summarise(scores_table([]))
    assert summary.empty
    assert list(summary.columns) == list(SUMMARY_COLUMNS)
