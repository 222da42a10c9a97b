"""Subgroups: means and tests against SciPy, patients in several groups, ages cut, and columns that make no groups."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medseg.errors import DatasetError, InputError
from medseg.evaluation import scores_table
from medseg.evaluation.statistics import SUBGROUP_COLUMNS, holm, mean_interval, subgroup_table
from medseg.evaluation.summary import ALL_LABELS

PATIENTS = 24


@pytest.fixture
def scores() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"case": f"c{n}", "label": label, "dice": rng.beta(8, 2), "hd95_mm": rng.gamma(3), "predicted_voxels": 5,
         "reference_voxels": 5, "judged": True, "unit": "mm"}
        for n in range(2 * PATIENTS)
        for label in ("organ", "lesion")
    ]  # fmt: skip
    return scores_table(rows)


@pytest.fixture
def facts() -> pd.DataFrame:
    cases = range(2 * PATIENTS)
    return pd.DataFrame(
        {
            "case": [f"c{n}" for n in cases],
            "patient": [f"p{n // 2}" for n in cases],
            "sex": ["FM"[n // 2 % 2] for n in cases],
            "view": [("CC", "MLO")[n % 2] for n in cases],
            "scanner": ["ABC"[n // 2 % 3] for n in cases],
            "age": ["" if n < 4 else str(40 + n // 2) for n in cases],
            "note": [f"words {n}" for n in cases],
        }
    )


def means(scores: pd.DataFrame, facts: pd.DataFrame, column: str, label: str) -> list[np.ndarray]:
    """Of each group the mean of each patient, by pandas."""
    joined = scores[scores["label"] == label].merge(facts, on="case")
    return [rows.groupby("patient")["dice"].mean().to_numpy() for _, rows in joined.groupby(column)]


def test_two_groups_have_the_means_and_the_test_of_their_patients(scores, facts):
    table = subgroup_table(scores, facts, "sex", ["dice", "hd95_mm", "hd95_px"], resamples=500)
    assert tuple(table.columns) == SUBGROUP_COLUMNS
    assert set(table["metric"]) == {"dice", "hd95_mm"}  # no case has a distance in pixels
    assert list(dict.fromkeys(table["label"])) == ["organ", "lesion", ALL_LABELS]
    rows = table[(table["label"] == "organ") & (table["metric"] == "dice")]
    women = scores[(scores["label"] == "organ") & scores["case"].isin(facts["case"][facts["sex"] == "F"])]
    whose = women["case"].map(facts.set_index("case")["patient"])
    expected = mean_interval(women["dice"], whose, resamples=500)
    first = rows.iloc[0]
    assert first["value"] == "F"
    assert (first["mean"], first["low"], first["high"]) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (first["n"], first["patients"], first["test"]) == (24, 12, "Mann–Whitney")
    assert first["p"] == pytest.approx(stats.mannwhitneyu(*means(scores, facts, "sex", "organ")).pvalue)
    one_each = table.drop_duplicates(["label", "metric"])
    assert one_each["p_holm"].to_numpy() == pytest.approx(holm(one_each["p"]))


def test_three_groups_are_tested_by_kruskal_and_wallis(scores, facts):
    table = subgroup_table(scores, facts, "scanner", resamples=500)
    row = table[table["label"] == "lesion"].iloc[0]
    assert row["test"] == "Kruskal–Wallis"
    assert row["p"] == pytest.approx(stats.kruskal(*means(scores, facts, "scanner", "lesion")).pvalue)


def test_two_views_of_the_same_patients_are_compared_within_them(scores, facts):
    row = subgroup_table(scores, facts, "view", resamples=500).iloc[0]
    joined = scores[scores["label"] == "organ"].merge(facts, on="case").pivot(index="patient", columns="view")["dice"]
    assert row["test"] == "Wilcoxon signed-rank"
    assert row["p"] == pytest.approx(stats.wilcoxon(joined["CC"], joined["MLO"]).pvalue)


def test_a_patient_in_two_groups_of_others_is_left_out_of_the_test(scores, facts):
    facts.loc[0, "sex"] = "M"  # the other image of this woman says F
    row = subgroup_table(scores, facts, "sex", resamples=500).iloc[0]
    first, second = means(scores[~scores["case"].isin(["c0", "c1"])], facts, "sex", "organ")
    assert row["p"] == pytest.approx(stats.mannwhitneyu(first, second).pvalue)
    assert "1 patients in several groups left out of the test" in row["note"]


def test_ages_are_cut_at_the_median_and_a_missing_one_is_told(scores, facts):
    table = subgroup_table(scores, facts, "age", resamples=500)
    rows = table[table["label"] == "organ"]
    assert list(rows["value"]) == ["≤ 52.5", "> 52.5", "(missing)"]
    assert rows["note"].str.contains("cut at the median over patients, 52.5").all()
    assert list(rows["n"]) == [22, 22, 4]
    assert math.isnan(rows["low"].iloc[2])
    assert "fewer than 5" in rows["note"].iloc[2]


def test_where_the_median_is_the_greatest_age_the_others_lie_below(scores, facts):
    facts["age"] = [str(min(50 + n, 58)) for n in range(len(facts))]
    assert list(dict.fromkeys(subgroup_table(scores, facts, "age", resamples=500)["value"])) == ["< 58", "≥ 58"]


def test_patients_in_only_one_group_leave_nothing_to_test(scores, facts):
    facts["arm"] = ["b" if n < 6 else "a" for n in range(len(facts))]  # three patients
    table = subgroup_table(scores, facts, "arm", resamples=500)
    assert table["p"].isna().all()
    assert table["note"].str.contains("no test: fewer than two groups of 5 patients").all()
    assert table[table["value"] == "b"]["low"].isna().all()
    assert table[table["value"] == "a"]["low"].notna().all()


def test_equal_scores_leave_nothing_to_test(scores, facts):
    table = subgroup_table(scores.assign(dice=0.5), facts, "sex", resamples=500)
    assert table["p"].isna().all()
    assert table["note"].str.contains("all values are equal").all()


def test_what_makes_no_groups_is_refused(scores, facts):
    for column, said in (("field", "sex, view, scanner, age, note"), ("patient", "no column"), ("note", "at most 20")):
        with pytest.raises(InputError, match=said):
            subgroup_table(scores, facts, column)
    with pytest.raises(InputError, match="no metric 'dise'"):
        subgroup_table(scores, facts, "sex", ["dise"])
    with pytest.raises(DatasetError, match="case c47 has no row"):
        subgroup_table(scores, facts[:-1], "sex")
    with pytest.raises(DatasetError, match="case c3 has two rows"):
        subgroup_table(scores, pd.concat([facts, facts[3:4]]), "sex")
