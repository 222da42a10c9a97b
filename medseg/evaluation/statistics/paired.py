"""Tests whether two models score differently on the same cases, patient by patient."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from medseg.errors import InputError
from medseg.evaluation.statistics.intervals import (
    FEWEST_PATIENTS,
    mean_interval,
    require_options,
    too_few,
    values_by_patient,
)

__all__ = ["Paired", "paired_test", "sign_flip_p"]

_DECIMALS = 10  # tables hold ten digits: differences below are rounding, and would break ties and zeros
_EXACT = 16  # differences, of which all 65536 ways to set their signs are tried
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Paired:
    """How one model's scores differ from another's on the same cases.

    Args:
        difference: Mean over patients of first minus second, each patient's being the mean over its cases.
        low: Lower end of its interval; NaN where there is none.
        high: Upper end.
        wilcoxon_p: Two-sided p of Wilcoxon's signed-rank test; NaN where it is undefined.
        permutation_p: Two-sided p of the sign-flip permutation test of the difference.
        n: Cases that both have.
        patients: Patients that they are of.
        note: Why something is missing, and what was left out; empty where nothing is.
    """

    difference: float = math.nan
    low: float = math.nan
    high: float = math.nan
    wilcoxon_p: float = math.nan
    permutation_p: float = math.nan
    n: int = 0
    patients: int = 0
    note: str = ""


def paired_test(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    patients: npt.ArrayLike,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Paired:
    """Compare two models on the cases for which both have a value.

    Tests suppose independent observations, and cases of one patient are not: interval and tests are of one value a
    patient, the mean of its differences. Where patients have unequal numbers of cases this is not the difference of
    the two means over cases. Both tests suppose that, if nothing differed, a patient's difference would be as likely
    with the other sign. Wilcoxon's (Wilcoxon 1945, doi:10.2307/3001968) is SciPy's: patients that do not differ are
    left out, and it is exact for few patients without ties. The permutation test is of the mean itself.

    Args:
        a: Scores of the first model, shape (cases,).
        b: Of the second for the same cases; NaN in either leaves the case out.
        patients: Whose each case is.
        level: Confidence of the interval.
        resamples: Of the bootstrap, and of the permutation test where not all sign changes can be tried.
        seed: The same seed gives the same figures, in whatever order the cases are.

    Returns:
        The comparison. Of identical scores p is NaN and the note says "identical"; of fewer than five patients
        interval and p are NaN. Cases of one model only are counted in the note.

    Raises:
        InputError: The arrays do not fit each other, a value is infinite, or a patient of a value is unknown.
    """
    require_options(level, resamples)
    one, other = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if one.shape != other.shape:
        found = f"shapes {one.shape} and {other.shape}"
        raise InputError("a, b", found, "Pass both models' scores of the same cases, NaN where one has none.")
    if np.isinf(one).any() or np.isinf(other).any():
        raise InputError("a, b", "an infinite value", "Leave it out, as NaN.")
    differences, whose = values_by_patient(one - other, patients)
    differences = differences.round(_DECIMALS)
    left_out = _one_sided(one, other, np.asarray(patients, dtype=object))
    if not len(differences):
        return Paired(note="; ".join(["no case that both have", *left_out]))
    values = np.bincount(whose, differences) / np.bincount(whose)
    values = values.round(_DECIMALS)
    around = mean_interval(values, np.arange(len(values)), level=level, resamples=resamples, seed=seed)
    counts = {"n": len(differences), "patients": len(values)}
    if len(values) < FEWEST_PATIENTS:
        return Paired(around.mean, note="; ".join([too_few(len(values)), *left_out]), **counts)
    if not values.any():
        why = "no patient differs on average" if differences.any() else "identical"
        return Paired(0.0, 0.0, 0.0, note="; ".join([why, *left_out]), **counts)
    return Paired(
        around.mean,
        around.low,
        around.high,
        _wilcoxon_p(values),
        sign_flip_p(values, resamples=resamples, seed=seed),
        note="; ".join(left_out),
        **counts,
    )


def sign_flip_p(values: npt.ArrayLike, *, resamples: int = 10_000, seed: int = 0) -> float:
    """Two-sided p of the sign-flip permutation test (Fisher 1935) that values are symmetric about 0.

    The share of ways to set the signs that bring the mean as far from 0 as it is, or further. Up to 16 values that are
    not 0 all ways are tried; of more, `resamples` are drawn, and p is (found + 1) / (drawn + 1), as it must not be 0
    (Phipson and Smyth 2010, doi:10.2202/1544-6115.1585).

    Args:
        values: One a patient; NaN where none differs from 0.
        resamples: Draws, where not all ways are tried.
        seed: Of the draws.
    """
    moved = np.abs(np.asarray(values, dtype=float))
    if not moved.any():
        return math.nan
    seen = abs(float(np.sum(values))) - 1e-12 * float(moved.sum())  # equal sums may differ in the last digit
    nonzero = np.sort(moved[moved > 0])
    if len(nonzero) <= _EXACT:
        return float(np.mean(np.abs(_every_way(len(nonzero)) @ nonzero) >= seen))
    signs = _drawn_signs(len(moved), resamples, seed)
    found = sum(int(np.count_nonzero(np.abs(some @ np.sort(moved)) >= seen)) for some in signs)
    return (found + 1) / (resamples + 1)


@lru_cache(maxsize=2)
def _every_way(values: int) -> np.ndarray:
    """Every way to set the signs, shape (2 ** values, values)."""
    return (1.0 - 2.0 * (np.arange(2**values)[:, None] >> np.arange(values) & 1)).astype(float)


def _drawn_signs(values: int, resamples: int, seed: int) -> Iterable[np.ndarray]:
    """Signs, shape (some resamples, values), until there are enough."""
    if values * resamples <= _AT_ONCE:
        return (_kept_signs(values, resamples, seed),)
    rng, rows = np.random.default_rng(seed), max(1, _AT_ONCE // values)
    return (_signs(rng, values, min(rows, resamples - first)) for first in range(0, resamples, rows))


@lru_cache(maxsize=1)  # every two models of a leaderboard are compared on the same patients
def _kept_signs(values: int, resamples: int, seed: int) -> np.ndarray:
    return _signs(np.random.default_rng(seed), values, resamples)


def _signs(rng: np.random.Generator, values: int, rows: int) -> np.ndarray:
    return rng.choice([-1.0, 1.0], (rows, values))


def _wilcoxon_p(values: np.ndarray) -> float:
    from scipy.stats import wilcoxon

    return float(wilcoxon(values).pvalue)


def _one_sided(one: np.ndarray, other: np.ndarray, patients: np.ndarray) -> list[str]:
    """A note on cases that only one model has a value for, and on patients of such cases alone."""
    lone, both = np.isnan(one) != np.isnan(other), ~np.isnan(one) & ~np.isnan(other)
    if not lone.any():
        return []
    cases = int(lone.sum())
    whole = len({str(p) for p in patients[lone]} - {str(p) for p in patients[both]})
    of_patients = f", among them {whole} patient{'s' * (whole != 1)}" if whole else ""
    return [f"left out: {cases} case{'s' * (cases != 1)} that only one has{of_patients}"]
