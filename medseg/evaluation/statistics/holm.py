"""Adjusts p-values for how many tests there are: Holm's step-down method."""

import numpy as np
import numpy.typing as npt

from medseg.errors import InputError

__all__ = ["holm"]


def holm(p: npt.ArrayLike) -> np.ndarray:
    """Adjusted p-values: those at most α are significant with a family-wise error of α (Holm 1979, Scand J Stat 6:65).

    Of m values the k-th smallest (from 0) is multiplied by m - k; none is below a smaller one, none above 1. Unlike
    Bonferroni's they lose no power without cause, and nothing is supposed of how the tests depend on each other.

    Args:
        p: Of one family of tests, shape (tests,). NaN, a test that could not be made, stays NaN and does not count.

    Raises:
        InputError: A value is not between 0 and 1.
    """
    values = np.asarray(p, dtype=float)
    made = ~np.isnan(values)
    if ((values[made] < 0) | (values[made] > 1)).any():
        raise InputError("p", "a value outside 0 to 1", "Pass p-values.")
    order = np.argsort(values[made], kind="stable")
    steps = values[made][order] * np.arange(len(order), 0, -1)
    adjusted = np.full(values.shape, np.nan)
    adjusted[np.flatnonzero(made)[order]] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted
