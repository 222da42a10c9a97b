"""Agreement of two measurements: published examples, and identities that the formulas do not use."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medseg.evaluation import bland_altman, concordance, intraclass_correlation, scores_table
from medseg.evaluation.agreement import volume_agreement, volumes_table

# Peak expiratory flow of 17 people by two meters, l/min (Bland and Altman 1986, table 1, first measurements).
WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
# Four judges of six targets (Shrout and Fleiss 1979, table 2).
JUDGES = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def test_peak_flow_of_bland_and_altman():
    found = bland_altman(WRIGHT, MINI)
    assert (found.n, found.bias.value, found.sd) == (17, pytest.approx(-2.1, abs=0.05), pytest.approx(38.8, abs=0.05))
    assert (found.bias.low, found.bias.high) == (pytest.approx(-22.0, abs=0.1), pytest.approx(17.8, abs=0.1))
    assert found.upper.value == pytest.approx(-2.1176 + 1.96 * 38.765, abs=0.01)
    assert found.lower.value == pytest.approx(-2.1176 - 1.96 * 38.765, abs=0.01)
    width = 2.1199 * 38.765 * math.sqrt(1 / 17 + 1.96**2 / 32)  # t of 16 degrees of freedom is 2.1199
    assert found.upper.high - found.upper.value == pytest.approx(width, rel=1e-4)


def test_the_judges_of_shrout_and_fleiss():
    found = intraclass_correlation(JUDGES)
    assert found.value == pytest.approx(0.29, abs=0.005)
    assert (found.low, found.high) == (pytest.approx(0.019, abs=0.001), pytest.approx(0.761, abs=0.001))


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 30))
def test_concordance_is_one_less_the_distance_expected_of_chance(seed, n):
    rng = np.random.default_rng(seed)
    one = rng.normal(10, 3, n)
    other = one * rng.uniform(0.5, 1.5) + rng.normal(0, 1, n)
    apart, by_chance = ((one - other) ** 2).mean(), ((one[:, None] - other) ** 2).mean()
    found = concordance(one, other)
    assert found.value == pytest.approx(1 - apart / by_chance)
    assert found.low <= found.value <= found.high


def test_concordance_of_the_peak_flow_meters():
    assert concordance(WRIGHT, MINI).value == pytest.approx(0.943, abs=0.0005)


def test_too_few_or_all_alike_is_undefined_and_no_error():
    assert math.isnan(intraclass_correlation([[1, 1], [1, 1]]).value)
    assert math.isnan(concordance([2, 2], [2, 2]).value)
    assert math.isnan(intraclass_correlation([[1, 2]]).value)
    assert math.isnan(bland_altman([1], [2]).lower.value)
    assert bland_altman([], []).n == 0
    assert intraclass_correlation([[1, 1], [5, 5], [9, 9]]).value == 1
    assert concordance([1, 5, 9], [1, 5, 9]).value == pytest.approx(1)


def test_sizes_are_compared_in_their_own_unit_and_empty_cases_are_left_out():
    row = {"label": "a", "judged": True, "predicted_voxels": 2, "reference_voxels": 1}
    rows = [row | {"case": f"v{n}", "predicted_volume_ml": n + 1.0, "reference_volume_ml": float(n)} for n in range(3)]
    rows += [row | {"case": "area", "predicted_area_mm2": 4.0, "reference_area_mm2": 5.0}, row | {"case": "pixels"}]
    rows += [row | {"case": "none", "predicted_voxels": 0, "reference_voxels": 0}]
    rows += [row | {"case": "unjudged", "judged": False}]
    volumes = volumes_table(scores_table(rows)).set_index("case")
    assert volumes["unit"].to_dict() == {"v0": "ml", "v1": "ml", "v2": "ml", "area": "mm2", "pixels": "voxels"}
    assert volumes["difference"].tolist() == [1, 1, 1, -1, 1]
    assert volumes.loc["area", "mean"] == 4.5
    agreement = {row["unit"]: row for row in volume_agreement(volumes.reset_index())}
    assert (agreement["ml"]["n"], agreement["ml"]["bias"]["value"], agreement["ml"]["sd"]) == (3, 1, 0)
