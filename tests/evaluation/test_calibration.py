"""Calibration: by hand, by brute force, and of probabilities that are right."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.errors import InputError
from medseg.evaluation.calibration import CALIBRATION_COLUMNS, calibration_table, reliability_of


def test_ece_and_brier_by_hand():
    shares = np.array([[0.05, 0.005, 0.9, 1.0, 0.95, 0.6]])
    truth = np.array([[False, False, True, True, False, True]])
    judged = np.array([[True, True, True, True, True, False]])
    found = reliability_of(shares, truth, judged)
    assert found["all"].n == 5
    assert found["all"].ece == pytest.approx((abs(0.055 - 0) + abs(2.85 - 2)) / 5)
    assert found["all"].brier == pytest.approx((0.05**2 + 0.005**2 + 0.1**2 + 0 + 0.95**2) / 5)
    assert found["possible"].n == 4
    table = calibration_table({("a", "all"): found["all"]})
    assert list(table.columns) == list(CALIBRATION_COLUMNS)
    assert table["voxels"].tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 3]
    assert table["observed"].iloc[-1] == pytest.approx(2 / 3)
    assert math.isnan(table["observed"].iloc[1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 20))
def test_it_is_what_a_loop_over_the_bins_finds(seed, bins):
    rng = np.random.default_rng(seed)
    shares, truth, judged = rng.random((4, 5, 6)), rng.random((4, 5, 6)) < 0.4, rng.random((4, 5, 6)) < 0.8
    p, y = shares[judged], truth[judged]
    error = 0.0
    for n in range(bins):
        inside = (p >= n / bins) & (p < (n + 1) / bins)
        error += abs(p[inside].mean() - y[inside].mean()) * inside.sum() if inside.any() else 0
    found = reliability_of(shares, truth, judged, bins)["all"]
    assert found.ece == pytest.approx(error / len(p))
    assert found.brier == pytest.approx(((p - y) ** 2).mean())
    halves = [reliability_of(shares[part], truth[part], judged[part], bins)["all"] for part in (slice(2), slice(2, 4))]
    assert (halves[0] + halves[1]).ece == pytest.approx(found.ece)


def test_right_probabilities_have_next_to_no_error():
    rng = np.random.default_rng(0)
    shares = rng.random((100, 100, 20)).astype(np.float16)
    truth = rng.random(shares.shape) < shares
    found = reliability_of(shares, truth, np.ones(shares.shape, bool))["all"]
    assert found.ece < 0.005
    assert found.brier == pytest.approx(1 / 6, abs=0.005)


def test_nothing_judged_is_undefined():
    found = reliability_of(np.ones((2, 2)), np.ones((2, 2), bool), np.zeros((2, 2), bool))
    assert math.isnan(found["all"].ece)
    assert math.isnan(found["possible"].brier)


@pytest.mark.parametrize("wrong", [math.nan, -0.2, 1.5, math.inf])
def test_what_is_no_probability_is_refused(wrong):
    shares = np.full((2, 3), 0.5)
    shares[1, 1] = wrong
    known = np.ones(shares.shape, bool)
    with pytest.raises(InputError, match="0 to 1"):
        reliability_of(shares, known, known)
    known[1, 1] = False
    assert reliability_of(shares, known, known)["all"].n == 5
