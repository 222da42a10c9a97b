"""Bootstrap intervals of a mean over cases, where patients and not cases are drawn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from medseg.errors import InputError

__all__ = [
    "FEWEST_PATIENTS",
    "Interval",
    "mean_interval",
    "mean_intervals",
    "require_options",
    "too_few",
    "values_by_patient",
]

FEWEST_PATIENTS = 5
_AT_ONCE = 4_000_000  # weights held at a time, 32 MB


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence interval.

    Args:
        mean: Over cases.
        low: Lower end; NaN where there is no interval.
        high: Upper end.
        n: Cases.
        patients: Patients that they are of.
        note: Why there is no interval, or what is odd about it; empty where nothing is.
    """

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    patients: int = 0
    note: str = ""


def mean_interval(
    values: npt.ArrayLike, patients: npt.ArrayLike, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Interval:
    """Mean over cases, with a bootstrap interval that draws patients and takes all cases of each.

    Cases of one patient resemble each other, so that drawing cases one by one would take them for more evidence than
    they are and give an interval that is too narrow (Field and Welsh 2007, doi:10.1111/j.1467-9868.2007.00593.x).
    The interval is the expanded percentile interval (Hesterberg 2015, doi:10.1080/00031305.2015.1089789):
    it stays within the values and follows their skewness, as the percentile interval does, but reads the percentiles
    further out, at Φ(-√(p / (p - 1)) t) with t the quantile of Student's t with p - 1 degrees of freedom for p
    patients. The plain percentile interval, and BCa as well, are too narrow for few patients.

    Args:
        values: One a case, shape (cases,); NaN is left out.
        patients: Whose each is, shape (cases,).
        level: Confidence of the interval, between 0 and 1.
        resamples: How many times the patients are drawn.
        seed: The same seed gives the same interval, in whatever order the cases are.

    Returns:
        The interval; of fewer than five patients it is NaN and the note says so, and if all values are equal it is
        that value.

    Raises:
        InputError: The arrays do not fit each other, a value is infinite, a patient is unknown, or an option is out of
            range.
    """
    return mean_intervals(
        np.asarray(values, dtype=float)[..., None], patients, level=level, resamples=resamples, seed=seed
    )[0]


def mean_intervals(
    values: npt.ArrayLike, patients: npt.ArrayLike, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> list[Interval]:
    """`mean_interval` of several scores of the same cases: the patients are drawn once for all of them.

    Args:
        values: Shape (cases, scores); NaN is left out of its own score alone.
        patients: Whose each case is, shape (cases,).
        level: As of `mean_interval`.
        resamples: The same.
        seed: The same.

    Raises:
        InputError: As `mean_interval`.
    """
    require_options(level, resamples)
    found: list[Interval] = []
    drawn: dict[int, list[int]] = {}  # scores to be drawn, by their number of patients
    totals: list[tuple[np.ndarray, np.ndarray]] = []
    for place, column in enumerate(np.asarray(values, dtype=float).T):
        known, whose = values_by_patient(column, patients)
        totals.append((np.bincount(whose, known), np.bincount(whose).astype(float)))
        found.append(_undrawn(known, len(totals[-1][1])))
        if not found[-1].note:
            drawn.setdefault(found[-1].patients, []).append(place)
    for number, places in drawn.items():
        sums, counts = (np.stack([totals[place][side] for place in places], axis=1) for side in (0, 1))
        means = np.concatenate([(times @ sums) / (times @ counts) for times in _draws(number, resamples, seed)])
        tail = _expanded_tail(number, level)
        for place, low, high in zip(places, *np.quantile(means, [tail, 1 - tail], axis=0), strict=True):
            found[place] = replace(found[place], low=float(low), high=float(high))
    return found


def _undrawn(known: np.ndarray, patients: int) -> Interval:
    """All that needs no draws; where that is the whole interval, or there is none, with a note."""
    if not len(known):
        return Interval(note="no values")
    mean, n = float(known.mean()), len(known)
    if patients < FEWEST_PATIENTS:
        return Interval(mean, n=n, patients=patients, note=too_few(patients))
    if np.ptp(known) == 0:
        own = float(known[0])
        return Interval(own, own, own, n, patients, "all values are equal")
    return Interval(mean, n=n, patients=patients)


def values_by_patient(values: npt.ArrayLike, patients: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Values that are there, and the number of the patient of each, counted from 0 in the order of their names.

    Args:
        values: Shape (cases,); NaN is left out.
        patients: Shape (cases,).

    Raises:
        InputError: The arrays do not fit each other, a value is infinite, or a patient is unknown.
    """
    import pandas as pd

    numbers = np.asarray(values, dtype=float)
    whose = np.asarray(patients, dtype=object)
    if numbers.ndim != 1 or whose.shape != numbers.shape:
        found = f"shape {whose.shape} for values of shape {numbers.shape}"
        raise InputError("patients", found, "Name the patient of every value.")
    if np.isinf(numbers).any():
        raise InputError("values", "an infinite value", "Leave it out, as NaN.")
    known = ~np.isnan(numbers)
    if pd.isna(whose[known]).any() or (whose[known] == "").any():
        mend = "Take the case for the patient where nobody knows better."
        raise InputError("patients", "the patient of a value is missing", mend)
    return numbers[known], np.unique([str(one) for one in whose[known]], return_inverse=True)[1]


def require_options(level: float, resamples: int) -> None:
    """Refuse a level that is no share, and too few resamples to read a tail from.

    Raises:
        InputError: One is out of range.
    """
    if not 0 < level < 1:
        raise InputError("level", repr(level), "Give the confidence as a share, such as 0.95.", "between 0 and 1")
    if resamples < 100:
        raise InputError("resamples", repr(resamples), "Draw more often; 10000 is usual.", "at least 100")


def too_few(patients: int) -> str:
    """The note on fewer than five patients."""
    return f"{patients} patient{'s' * (patients != 1)}: fewer than {FEWEST_PATIENTS}"


def _expanded_tail(patients: int, level: float) -> float:
    """The share of resamples that lie outside at either end."""
    from scipy.stats import norm, t

    quantile = t.ppf((1 + level) / 2, patients - 1)
    return float(norm.cdf(-math.sqrt(patients / (patients - 1)) * quantile))


def _draws(patients: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each patient was drawn, shape (some resamples, patients), until there are enough."""
    if patients * resamples <= _AT_ONCE:
        yield _kept(patients, resamples, seed)
        return
    rng, rows = np.random.default_rng(seed), max(1, _AT_ONCE // patients)
    for first in range(0, resamples, rows):
        yield _drawn(rng, patients, min(rows, resamples - first))


@lru_cache(maxsize=2)  # the scores of one label are of the same patients, and drawing takes most of the time
def _kept(patients: int, resamples: int, seed: int) -> np.ndarray:
    return _drawn(np.random.default_rng(seed), patients, resamples)


def _drawn(rng: np.random.Generator, patients: int, resamples: int) -> np.ndarray:
    rows = rng.integers(0, patients, (resamples, patients)) + np.arange(0, resamples * patients, patients)[:, None]
    counts: Any = np.bincount(rows.ravel(), minlength=resamples * patients)
    return np.asarray(counts.reshape(resamples, patients), dtype=float)
