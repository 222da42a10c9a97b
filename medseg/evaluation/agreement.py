"""How well two ways to measure one thing agree over cases: Bland–Altman, intraclass and concordance correlation.

Of few cases or of values without spread a figure is undefined, and NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "VOLUME_COLUMNS", "BlandAltman", "Interval", "bland_altman", "concordance", "intraclass_correlation",
    "volume_agreement", "volumes_table",
]  # fmt: skip

VOLUME_COLUMNS = ("case", "label", "unit", "predicted", "reference", "difference", "mean")
_NORMAL = 1.959963984540054  # of a normal distribution, 95% lie within so many standard deviations
_SIZES = {"ml": "volume_ml", "mm2": "area_mm2", "voxels": "voxels"}


@dataclass(frozen=True)
class Interval:
    """A figure with its 95% confidence interval."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class BlandAltman:
    """Agreement by differences (Bland and Altman 1986, doi:10.1016/S0140-6736(86)90837-8; 1999).

    Args:
        n: Pairs.
        bias: Mean of the differences, first minus second.
        sd: Their sample standard deviation.
        lower: Bias - 1.96 sd.
        upper: Bias + 1.96 sd: between the two lie 95% of differences that are normal.
    """

    n: int
    bias: Interval
    sd: float
    lower: Interval
    upper: Interval


def bland_altman(one: npt.ArrayLike, other: npt.ArrayLike) -> BlandAltman:
    """Bias and limits of agreement of two measurements of the same cases, with intervals by Student's t.

    The variance of a limit is sd² (1 / n + 1.96² / (2 (n - 1))), as Bland and Altman 1999
    (doi:10.1177/096228029900800204) have it.

    Args:
        one: Shape (cases,).
        other: The same.
    """
    from scipy.stats import t

    differences = np.asarray(one, float) - np.asarray(other, float)
    n = len(differences)
    if n < 2:
        alone = float(differences[0]) if n else math.nan
        return BlandAltman(n, Interval(alone), math.nan, Interval(), Interval())
    bias, sd = float(differences.mean()), float(differences.std(ddof=1))
    quantile = float(t.ppf(0.975, n - 1))
    of_bias = quantile * sd / math.sqrt(n)
    of_limit = quantile * sd * math.sqrt(1 / n + _NORMAL**2 / (2 * (n - 1)))
    lower, upper = bias - _NORMAL * sd, bias + _NORMAL * sd
    around = [Interval(x, x - w, x + w) for x, w in ((bias, of_bias), (lower, of_limit), (upper, of_limit))]
    return BlandAltman(n, around[0], sd, around[1], around[2])


def intraclass_correlation(ratings: npt.ArrayLike) -> Interval:
    """ICC(2,1): two-way random effects, absolute agreement, one rater (Shrout and Fleiss 1979).

    Args:
        ratings: Shape (cases, raters).

    Returns:
        With the interval of McGraw and Wong 1996 (doi:10.1037/1082-989X.1.1.30).
    """
    from scipy.stats import f

    table = np.asarray(ratings, float)
    n, k = table.shape
    if n < 2 or k < 2:
        return Interval()
    centred = table - table.mean()
    rows, columns = k * (centred.mean(axis=1) ** 2).sum(), n * (centred.mean(axis=0) ** 2).sum()
    of_rows, of_columns = rows / (n - 1), columns / (k - 1)
    of_error = max(0.0, (centred**2).sum() - rows - columns) / ((n - 1) * (k - 1))
    whole = of_rows + (k - 1) * of_error + k * (of_columns - of_error) / n
    if whole <= 0:
        return Interval()
    icc = float((of_rows - of_error) / whole)
    if of_error <= 1e-12 * of_rows:  # the raters differ by nothing but a constant: nothing to estimate a spread from
        return Interval(icc)
    a, b = k * icc / (n * (1 - icc)), 1 + k * icc * (n - 1) / (n * (1 - icc))
    freedom = (a * of_columns + b * of_error) ** 2
    freedom /= (a * of_columns) ** 2 / (k - 1) + (b * of_error) ** 2 / ((n - 1) * (k - 1))
    up, down = f.ppf(0.975, n - 1, freedom), f.ppf(0.975, freedom, n - 1)
    rest = k * of_columns + (k * n - k - n) * of_error
    low = n * (of_rows - up * of_error) / (up * rest + n * of_rows)
    high = n * (down * of_rows - of_error) / (rest + n * down * of_rows)
    return Interval(icc, float(low), float(high))


def concordance(one: npt.ArrayLike, other: npt.ArrayLike) -> Interval:
    """Lin's concordance correlation coefficient 2 s₁₂ / (s₁² + s₂² + (m₁ - m₂)²), moments by n (Lin 1989).

    Returns:
        With the interval by Fisher's z, whose variance is Lin's (doi:10.2307/2532051, corrected 2000).
    """
    first, second = np.asarray(one, float), np.asarray(other, float)
    n = len(first)
    if n < 2:
        return Interval()
    shift = float(first.mean() - second.mean())
    (var, cov), (_, other_var) = np.cov(first, second, ddof=0)
    if var + other_var + shift**2 <= 0:
        return Interval()
    ccc = float(2 * cov / (var + other_var + shift**2))
    if n < 3 or min(var, other_var) <= 0 or cov == 0 or abs(ccc) >= 1:
        return Interval(ccc)
    r, u2 = float(cov / math.sqrt(var * other_var)), shift**2 / math.sqrt(var * other_var)
    square = ((1 - r**2) * ccc**2) / ((1 - ccc**2) * r**2)
    square += 2 * ccc**3 * (1 - ccc) * u2 / (r * (1 - ccc**2) ** 2) - ccc**4 * u2**2 / (2 * r**2 * (1 - ccc**2) ** 2)
    width = _NORMAL * math.sqrt(max(0.0, square) / (n - 2))
    z = math.atanh(ccc)
    return Interval(ccc, math.tanh(z - width), math.tanh(z + width))


def volumes_table(scores: "pd.DataFrame") -> "pd.DataFrame":
    """Predicted and reference size of each case and label that was looked for and that either mask has.

    Args:
        scores: As `Evaluation.cases`.

    Returns:
        Columns as `VOLUME_COLUMNS`: volumes in ml, in 2D areas in mm², and voxels where the spacing is unknown.
    """
    import pandas as pd

    shown = scores[scores["judged"] & (scores["predicted_voxels"] + scores["reference_voxels"] > 0)]
    known = {unit: shown[f"reference_{name}"].notna() for unit, name in _SIZES.items()}
    units = np.select([known["ml"], known["mm2"]], ["ml", "mm2"], "voxels")
    sizes = {
        side: np.select([known[unit] for unit in _SIZES], [shown[f"{side}_{name}"] for name in _SIZES.values()])
        for side in ("predicted", "reference")
    }
    table = pd.DataFrame({"case": shown["case"], "label": shown["label"], "unit": units} | sizes)
    both = {
        "difference": table["predicted"] - table["reference"],
        "mean": (table["predicted"] + table["reference"]) / 2,
    }
    return table.assign(**both).reset_index(drop=True)


def volume_agreement(volumes: "pd.DataFrame") -> list[dict[str, Any]]:
    """Agreement of the sizes of each label and unit over the cases.

    Cases in which neither mask has the label are not among them: they would agree perfectly, and make the others
    look better.

    Args:
        volumes: As `volumes_table` gives.
    """
    found = []
    for (label, unit), rows in volumes.groupby(["label", "unit"], sort=False):
        sides: Sequence[np.ndarray] = [rows[side].to_numpy(float) for side in ("predicted", "reference")]
        altman = asdict(bland_altman(*sides))
        icc, ccc = intraclass_correlation(np.stack(sides, axis=1)), concordance(*sides)
        found.append({"label": label, "unit": unit} | altman | {"icc_2_1": asdict(icc), "ccc": asdict(ccc)})
    return found
