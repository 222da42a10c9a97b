"""Histogram of a region's values, in bins as IBSI defines them, and its entropy and uniformity."""

import math

import numpy as np

__all__ = ["BIN_COUNT", "BIN_WIDTH_HU", "entropy", "fixed_count", "fixed_width", "places", "uniformity"]

BIN_WIDTH_HU = 25.0
BIN_COUNT = 32


def fixed_width(values: np.ndarray, width: float) -> np.ndarray:
    """How many values lie in each bin of a fixed width, bins that begin at multiples of it (IBSI 2.7.1, FBS).

    IBSI's bins begin at the least value of a re-segmentation range: with -1000 HU or -500 HU and bins of 25 HU these
    are the same bins, as are PyRadiomics'.

    Args:
        values: Finite, in ascending order, at least one.
        width: Of a bin.

    Returns:
        Counts of bins that hold something.
    """
    first, last = math.floor(float(values[0]) / width), math.floor(float(values[-1]) / width)
    if last - first > values.size:
        return np.unique_counts(np.floor(values / width)).counts
    return _counts(values, np.arange(first + 1, last + 1) * width)


def fixed_count(values: np.ndarray, count: int) -> np.ndarray:
    """How many values lie in each of so many bins of equal width from the least to the largest (IBSI 2.7.2, FBN).

    Args:
        values: Finite, in ascending order, at least one.
        count: Of bins.

    Returns:
        Counts of bins that hold something; a constant region fills one.
    """
    low, high = float(values[0]), float(values[-1])
    return _counts(values, low + (high - low) * np.arange(1, count) / count)


def entropy(counts: np.ndarray) -> float:
    """-Σ p log2 p in bits (IBSI 3.4.18)."""
    shares = counts / counts.sum()
    return float(abs(-(shares * np.log2(shares)).sum()))


def uniformity(counts: np.ndarray) -> float:
    """Σ p² (IBSI 3.4.19)."""
    return float(np.square(counts / counts.sum()).sum())


def places(ordered: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Where in values in ascending order the first is that is not below each start, without a copy of the values."""
    if ordered.dtype.kind in "iu":
        limits = np.iinfo(ordered.dtype)
        beyond = np.ceil(starts) > limits.max
        exact = np.clip(np.ceil(starts), limits.min, limits.max).astype(ordered.dtype)
        return np.where(beyond, ordered.size, np.searchsorted(ordered, exact))
    near = starts.astype(ordered.dtype)
    exact = np.where(near < starts, np.nextafter(near, near.dtype.type(np.inf)), near)
    return np.searchsorted(ordered, exact)


def _counts(ordered: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Counts of the bins that begin at the least value and at these, without those that are empty."""
    counts = np.diff(places(ordered, starts), prepend=0, append=ordered.size)
    return counts[counts > 0]
