"""Intervals by patient: coverage in simulated studies, SciPy's bootstrap, and what is odd or refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from medseg.errors import InputError
from medseg.evaluation.statistics import mean_interval, mean_intervals


def study(rng: np.random.Generator, patients: int, skewed: bool = False) -> tuple[np.ndarray, np.ndarray, float]:
    """Scores of one to eight cases a patient, much alike within one; and the mean of the population."""
    own = rng.beta(8, 1.2, patients) if skewed else rng.normal(0.8, 0.1, patients)
    whose = np.repeat(np.arange(patients), rng.integers(1, 9, patients))
    return own[whose] + rng.normal(0, 0.03, len(whose)), whose, 8 / 9.2 if skewed else 0.8


@pytest.mark.parametrize(("patients", "skewed"), [(12, False), (20, False), (50, True)])
def test_the_interval_covers_as_it_says_and_one_that_draws_cases_does_not(patients, skewed):
    rng = np.random.default_rng(5)
    by_patient, by_case = 0, 0
    for _ in range(300):
        values, whose, truth = study(rng, patients, skewed)
        found = mean_interval(values, whose, resamples=2000)
        by_patient += found.low <= truth <= found.high
        wrong = mean_interval(values, np.arange(len(values)), resamples=500)
        by_case += wrong.low <= truth <= wrong.high
    assert 0.90 <= by_patient / 300 <= 0.99
    # Drawing cases takes the eight of one patient for eight pieces of evidence: the interval is far too narrow.
    assert by_case / 300 < 0.75


def test_few_patients_are_covered_better_than_by_the_plain_percentiles():
    rng = np.random.default_rng(6)
    ours, plain = 0, 0
    draws = rng.integers(0, 6, (2000, 6))
    for _ in range(300):
        values = rng.normal(0, 1, 6)
        found = mean_interval(values, np.arange(6), resamples=2000)
        ours += found.low <= 0 <= found.high
        low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
        plain += low <= 0 <= high
    assert 0.90 <= ours / 300 <= 0.99
    assert plain / 300 < 0.90


def test_the_ends_are_the_expanded_percentiles_of_every_possible_draw():
    values = np.array([0.2, 0.55, 0.7, 0.71, 0.9])
    tail = stats.norm.cdf(-math.sqrt(5 / 4) * stats.t.ppf(0.975, 4))  # Hesterberg 2015
    every = np.array([np.mean(draw) for draw in itertools.product(values, repeat=5)])
    found = mean_interval(values, list("abcde"), resamples=200_000)
    low, high = np.quantile(every, [tail, 1 - tail])
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.01), pytest.approx(high, abs=0.01))


def test_it_is_scipys_bootstrap_of_sums_and_counts():
    values, whose, _ = study(np.random.default_rng(2), 40)
    sums, counts = np.bincount(whose, values), np.bincount(whose).astype(float)
    tail = stats.norm.cdf(-math.sqrt(40 / 39) * stats.t.ppf(0.975, 39))
    scipys = stats.bootstrap(
        (sums, counts), lambda a, b, axis=-1: a.sum(axis) / b.sum(axis), paired=True, vectorized=True,
        n_resamples=20_000, confidence_level=1 - 2 * tail, method="percentile", rng=np.random.default_rng(3),
    ).confidence_interval  # fmt: skip
    found = mean_interval(values, whose, resamples=20_000)
    width = found.high - found.low
    assert found.low == pytest.approx(scipys.low, abs=0.03 * width)
    assert found.high == pytest.approx(scipys.high, abs=0.03 * width)
    assert (found.n, found.patients) == (len(values), 40)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=5, max_size=12), st.randoms(use_true_random=False))
def test_it_lies_within_the_values_and_the_order_of_cases_does_not_matter(values, shuffler):
    whose = [f"p{n}" for n in range(len(values))]
    found = mean_interval(values, whose, resamples=500)
    assert min(values) - 1e-12 <= found.low <= found.mean + 1e-12
    assert found.mean - 1e-12 <= found.high <= max(values) + 1e-12
    pairs = list(zip(values, whose, strict=True))
    shuffler.shuffle(pairs)
    again = mean_interval(*zip(*pairs, strict=True), resamples=500)
    assert (again.low, again.high) == (pytest.approx(found.low), pytest.approx(found.high))


def test_several_scores_at_once_are_those_one_by_one():
    rng = np.random.default_rng(0)
    table, whose = rng.random((30, 3)), np.arange(30) // 2
    table[:5, 1] = np.nan
    assert mean_intervals(table, whose, resamples=500) == [
        mean_interval(column, whose, resamples=500) for column in table.T
    ]


def test_more_patients_than_fit_into_memory_at_once_are_drawn_in_parts():
    values = np.random.default_rng(0).normal(0, 1, 9000)
    found = mean_interval(values, np.arange(9000), resamples=1000)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * values.std() / math.sqrt(9000), rel=0.15)


@pytest.mark.parametrize("patients", [1, 4])
def test_fewer_than_five_patients_have_a_mean_and_no_interval(patients):
    found = mean_interval([0.5] * 4 + [0.7] * 4, [n % patients for n in range(8)])
    assert found.mean == pytest.approx(0.6)
    assert math.isnan(found.low)
    assert math.isnan(found.high)
    assert "fewer than 5" in found.note


def test_equal_values_are_their_own_interval_and_missing_ones_are_left_out():
    found = mean_interval([0.3] * 6 + [math.nan], list("abcdefg"))
    assert (found.mean, found.low, found.high, found.n, found.patients) == (0.3, 0.3, 0.3, 6, 6)
    assert "equal" in found.note
    assert mean_interval([math.nan], ["a"]).note == "no values"


@pytest.mark.parametrize(
    ("values", "patients", "options", "said"),
    [
        ([1, 2], ["a"], {}, "shape"),
        ([1, math.inf], ["a", "b"], {}, "infinite"),
        ([1, 2], ["a", None], {}, "missing"),
        ([1, 2], ["a", ""], {}, "missing"),
        ([1, 2], ["a", "b"], {"level": 95}, "between 0 and 1"),
        ([1, 2], ["a", "b"], {"resamples": 0}, "at least 100"),
    ],
)
def test_what_cannot_be_is_refused(values, patients, options, said):
    with pytest.raises(InputError, match=said):
        mean_interval(values, patients, **options)
