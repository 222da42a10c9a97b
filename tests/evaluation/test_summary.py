"""Means over cases: what is counted, what is left out, and what the spread is of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import LabelError
from medseg.evaluation import METRICS, SCORE_COLUMNS, SUMMARY_COLUMNS, Scoring, score_case, scores_table, summarise
from medseg.evaluation.statistics import mean_interval, mean_intervals
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


def test_an_interval_is_of_patients_and_none_of_fewer_than_five():
    values = np.random.default_rng(0).random(12)
    rows = [row(f"c{n}", "a", value) for n, value in enumerate(values)]
    whose = {f"c{n}": f"p{n // 2}" for n in range(12)}
    found = figures(summarise(scores_table(rows), whose), "a")
    expected = mean_interval(values, list(whose.values()))
    assert (found["low"], found["high"]) == pytest.approx((expected.low, expected.high))
    assert (found["n"], found["patients"]) == (12, 6)
    alone = figures(summarise(scores_table(rows)), "a")
    assert alone["patients"] == 12
    assert (alone["low"], alone["high"]) != (found["low"], found["high"])
    assert figures(summarise(scores_table(rows[:8]), whose), "a")[["low", "high"]].isna().all()


def test_other_draws_are_asked_for_in_the_settings():
    table = scores_table([row(f"c{n}", "a", n**2 / 100) for n in range(8)])
    one, same, other = (figures(summarise(table, None, Scoring(seed=n, resamples=500)), "a") for n in (1, 1, 2))
    assert one["low"] == same["low"]
    assert one["low"] != other["low"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 4))
def test_many_scores_at_once_have_the_intervals_of_each_alone(seed, cases, scores):
    rng = np.random.default_rng(seed)
    values = rng.random((cases, scores)).round(1)
    values[rng.random(values.shape) < 0.2] = np.nan
    whose = rng.integers(0, 8, cases)
    together = mean_intervals(values, whose, resamples=200)
    for column, found in zip(values.T, together, strict=True):
        alone = mean_interval(column, whose, resamples=200)
        assert (found.n, found.patients, found.note) == (alone.n, alone.patients, alone.note)
        figures_of = [(one.mean, one.low, one.high) for one in (found, alone)]
        np.testing.assert_allclose(*figures_of, rtol=1e-12, equal_nan=True)
