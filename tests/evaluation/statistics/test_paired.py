"""Paired tests against textbooks and SciPy; Holm's adjustment; identical, one-sided and few."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from medseg.errors import InputError
from medseg.evaluation.statistics import holm, paired_test, sign_flip_p

# Darwin's crossed and self-fertilised maize, differences in eighths of an inch (Fisher 1935, The Design of
# Experiments, sections 17 and 21): of the 2**15 ways to set the signs 863 reach a sum of 314 or more.
MAIZE = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48])


def test_the_permutation_test_is_fishers_of_darwins_maize():
    assert sign_flip_p(MAIZE) == pytest.approx(2 * 863 / 32768)


def test_wilcoxon_of_the_maize_is_that_of_the_tables():
    found = paired_test(MAIZE, np.zeros(15), range(15))
    # W is 24: the ranks of -48 and -67 are 10 and 14. Its exact two-sided p is 1352 / 32768.
    assert found.wilcoxon_p == pytest.approx(1352 / 32768)
    assert found.permutation_p == pytest.approx(1726 / 32768)
    assert found.difference == pytest.approx(314 / 15)
    assert found.low < found.difference < found.high


@pytest.mark.parametrize("patients", [8, 12, 60])
def test_both_are_scipys_on_the_mean_of_each_patient(patients):
    rng = np.random.default_rng(patients)
    whose = np.repeat(np.arange(patients), rng.integers(1, 5, patients))
    a, b = rng.random(len(whose)), rng.random(len(whose)) - 0.1
    found = paired_test(a, b, whose)
    means = np.bincount(whose, a - b) / np.bincount(whose)
    assert found.difference == pytest.approx(means.mean())
    assert (found.n, found.patients) == (len(whose), patients)
    assert found.wilcoxon_p == pytest.approx(stats.wilcoxon(means).pvalue)
    scipys = stats.permutation_test(
        (means,), np.mean, permutation_type="samples", vectorized=True, n_resamples=20_000,
        rng=np.random.default_rng(1),
    )  # fmt: skip
    assert found.permutation_p == pytest.approx(scipys.pvalue, abs=1e-9 if patients < 14 else 0.02)


def test_without_a_difference_p_is_below_five_percent_in_five_percent_of_studies():
    rng = np.random.default_rng(0)
    p = np.array([sign_flip_p(rng.normal(0, 1, 30), resamples=1000) for _ in range(400)])
    assert 0.02 <= np.mean(p <= 0.05) <= 0.08
    assert p.min() >= 1 / 1001


def test_drawn_signs_tend_to_all_of_them():
    values = np.random.default_rng(4).normal(0.3, 1, 17)
    doubled = np.append(values[:15], 0)  # 15 that are not 0: every way is tried
    every = sign_flip_p(doubled)
    signs = 1 - 2 * (np.arange(2**17)[:, None] >> np.arange(17) & 1)
    exact = np.mean(np.abs(signs @ values) >= abs(values.sum()) - 1e-9)
    assert sign_flip_p(values, resamples=50_000) == pytest.approx(exact, abs=0.01)
    assert every == sign_flip_p(values[:15])


def test_identical_scores_have_no_p():
    found = paired_test([0.1, 0.5, 0.7, 0.9, 0.3], [0.1, 0.5, 0.7, 0.9, 0.3], list("abcde"))
    assert (found.difference, found.low, found.high, found.note) == (0, 0, 0, "identical")
    assert math.isnan(found.wilcoxon_p)
    assert math.isnan(found.permutation_p)
    rounding = paired_test([0.1 + 0.2] * 5, [0.3] * 5, list("abcde"))
    assert rounding.note == "identical"


def test_differences_that_cancel_in_every_patient_are_not_called_identical():
    found = paired_test([0.1, 0.3] * 5, [0.3, 0.1] * 5, np.repeat(np.arange(5), 2))
    assert found.note == "no patient differs on average"
    assert math.isnan(found.wilcoxon_p)


def test_fewer_than_five_patients_are_told_and_not_tested():
    found = paired_test([0.5, 0.6, 0.7, 0.8], [0.4] * 4, list("abcd"))
    assert found.difference == pytest.approx(0.25)
    assert math.isnan(found.low)
    assert math.isnan(found.permutation_p)
    assert "4 patients: fewer than 5" in found.note


def test_cases_and_patients_of_one_model_only_are_left_out_and_counted():
    a = [0.5, 0.6, 0.7, 0.8, 0.9, 0.9, 0.2]
    b = [0.4, 0.5, 0.5, 0.9, 0.3, math.nan, math.nan]
    found = paired_test(a, b, ["p1", "p2", "p3", "p4", "p5", "p5", "p6"])
    assert (found.n, found.patients) == (5, 5)
    assert found.note == "left out: 2 cases that only one has, among them 1 patient"
    nothing = paired_test([0.5, math.nan], [math.nan, 0.5], ["p1", "p2"])
    assert nothing.n == 0
    assert nothing.note.startswith("no case that both have")


@pytest.mark.parametrize(
    ("a", "b", "said"), [([1, 2], [1], "shapes"), ([math.inf, 1], [1, 2], "infinite"), ([1, 2, 3], [1, 2, 3], "shape")]
)
def test_what_does_not_fit_is_refused(a, b, said):
    with pytest.raises(InputError, match=said):
        paired_test(a, b, ["p1", "p2"])


def test_holm_is_the_worked_example():
    # en.wikipedia.org/wiki/Holm-Bonferroni_method: H4 and H1 are rejected at 0.05, H3 and H2 are not;
    # R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=12), st.sampled_from([0.01, 0.05, 0.2]))
def test_what_holm_adjusts_is_rejected_exactly_where_the_steps_reject(p, alpha):
    order = np.argsort(p, kind="stable")
    rejected = np.zeros(len(p), bool)
    for step, place in enumerate(order):
        if p[place] * (len(p) - step) > alpha:
            break
        rejected[place] = True
    assert (holm(p) <= alpha).tolist() == rejected.tolist()


def test_a_test_that_could_not_be_made_does_not_count():
    found = holm([0.01, math.nan, 0.04])
    assert found[[0, 2]] == pytest.approx([0.02, 0.04])
    assert math.isnan(found[1])
    with pytest.raises(InputError, match="outside 0 to 1"):
        holm([1.2])
