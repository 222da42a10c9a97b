"""Whether probabilities are right: of voxels given 0.8, are 8 in 10 the label? Reliability curve, ECE and Brier score.

Over two scopes: "all" voxels that were judged, and those of them that the model held "possible", with a probability of
at least 0.01. Most of a scan is background that every model is sure of, and hides in the first what the second shows.
Voxels are never chosen by the truth, which would bend the curve.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medseg.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CALIBRATION_COLUMNS", "SCOPES", "Reliability", "calibration_table", "reliability_of"]

CALIBRATION_COLUMNS = ("label", "scope", "low", "high", "voxels", "mean_probability", "observed")
SCOPES = ("all", "possible")
_POSSIBLE = 0.01
_ROUNDING = 1e-3  # of half precision
_BLOCK = 1 << 22  # voxels that are looked at at once
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reliability:
    """Voxels by their probability, in bins of equal width; those of several cases add up.

    Args:
        voxels: How many are in each bin.
        probability: Sum of their probabilities.
        true: How many of them are the label.
        squares: Sum over all voxels of (probability - truth)².
    """

    voxels: _Floats
    probability: _Floats
    true: _Floats
    squares: float

    def __add__(self, other: "Reliability") -> "Reliability":
        """Both together."""
        return Reliability(
            self.voxels + other.voxels,
            self.probability + other.probability,
            self.true + other.true,
            self.squares + other.squares,
        )

    @property
    def n(self) -> int:
        """Voxels in all."""
        return int(self.voxels.sum())

    @property
    def ece(self) -> float:
        """Expected calibration error: mean over the voxels of |mean probability - observed share| of their bin.

        Of the probability of the label itself (Naeini 2015, doi:10.1609/aaai.v29i1.9602); NaN without voxels.
        """
        return float(np.abs(self.probability - self.true).sum() / self.n) if self.n else math.nan

    @property
    def brier(self) -> float:
        """Mean of (probability - truth)² over the voxels (Brier 1950); NaN without voxels."""
        return self.squares / self.n if self.n else math.nan


def reliability_of(
    probabilities: np.ndarray, truth: np.ndarray, judged: np.ndarray, bins: int = 10
) -> dict[str, Reliability]:
    """Count the voxels of one label in one case, by scope.

    Args:
        probabilities: Of the label, shape (x, y[, z]), 0 to 1; may be memory-mapped.
        truth: Boolean, whether the reference has the label.
        judged: Boolean, whether somebody looked at the voxel.
        bins: How many; a probability of 1 is in the last.

    Raises:
        InputError: They are no probabilities.
    """
    found = dict.fromkeys(SCOPES, Reliability(np.zeros(bins), np.zeros(bins), np.zeros(bins), 0.0))
    slices = max(1, _BLOCK * probabilities.shape[0] // max(1, probabilities.size))
    for first in range(0, probabilities.shape[0], slices):
        part = slice(first, first + slices)
        known = judged[part]
        share, is_true = np.asarray(probabilities[part])[known].astype(np.float64), truth[part][known]
        if not ((share >= -_ROUNDING) & (share <= 1 + _ROUNDING)).all():
            mend = "Write probabilities and not logits, or move them away to score the mask alone."
            raise InputError("probabilities", f"values from {share.min():g} to {share.max():g}", mend, "0 to 1")
        share = share.clip(0, 1)
        for scope, inside in (("all", slice(None)), ("possible", share >= _POSSIBLE)):
            found[scope] += _counted(share[inside], is_true[inside], bins)
    return found


def _counted(share: _Floats, is_true: np.ndarray, bins: int) -> Reliability:
    place = np.minimum((share * bins).astype(np.int64), bins - 1)
    sums = [np.bincount(place, weights, bins).astype(np.float64) for weights in (None, share, is_true)]
    return Reliability(sums[0], sums[1], sums[2], float(((share - is_true) ** 2).sum()))


def calibration_table(found: "dict[tuple[str, str], Reliability]") -> "pd.DataFrame":
    """The reliability curve of each label and scope, a row a bin; columns as `CALIBRATION_COLUMNS`.

    A bin without voxels has no mean probability and no observed share.
    """
    import pandas as pd

    parts = []
    for (label, scope), one in found.items():
        edges = np.linspace(0, 1, len(one.voxels) + 1)
        filled = np.where(one.voxels > 0, one.voxels, np.nan)
        values = (edges[:-1], edges[1:], one.voxels.astype(np.int64), one.probability / filled, one.true / filled)
        parts.append(
            pd.DataFrame({"label": label, "scope": scope} | dict(zip(CALIBRATION_COLUMNS[2:], values, strict=True)))
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(CALIBRATION_COLUMNS))
