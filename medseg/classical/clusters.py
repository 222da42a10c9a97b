"""Classes of intensities without places: k-means, and a mixture of Gaussians."""

import numpy as np
from pydantic import Field

from medseg.classical.options import RankedOptions
from medseg.classical.prepared import Found, Prepared

__all__ = ["KMeans", "Mixture", "fitted_mixture", "gmm", "kmeans", "posterior", "sketch"]

_SKETCH = 1024  # quantiles that stand for all voxels, so that no volume is too large and no order of voxels counts


class KMeans(RankedOptions):
    """K-means of the intensities."""

    iterations: int = Field(50, ge=1, le=1000, description="Rounds at most.")


class Mixture(RankedOptions):
    """A mixture of Gaussians, one a class."""

    iterations: int = Field(100, ge=1, le=10_000, description="Rounds of expectation and maximisation at most.")
    tolerance: float = Field(1e-5, gt=0, description="Gain of the mean log likelihood below which it stops.")


def kmeans(seen: Prepared, options: KMeans) -> Found:
    """The nearest of k means (MacQueen 1967, Lloyd 1982), by SciPy; they start at evenly spaced quantiles."""
    centres = _centres(seen, options.classes, options.iterations)
    if centres is None:
        return Found(np.zeros(seen.values.shape, bool), notes=(_too_few(options.classes),))
    borders = (centres[1:] + centres[:-1]) / 2
    mask = np.isin(np.searchsorted(borders, seen.values), options.ranks())
    return Found(mask, told=(f"means {', '.join(f'{one:.6g}' for one in centres)}",))


def gmm(seen: Prepared, options: Mixture) -> Found:
    """Classes of a mixture of Gaussians (Dempster 1977), ranked by their means; they start from k-means.

    The probability is the posterior one of the classes that are taken.
    """
    centres = _centres(seen, options.classes, 50)
    if centres is None:
        return Found(np.zeros(seen.values.shape, bool), notes=(_too_few(options.classes),))
    weights, means, sds = fitted_mixture(sketch(seen.counted), centres, options.iterations, options.tolerance)
    order = np.argsort(means)
    share = posterior(seen.values, weights[order], means[order], sds[order], options.ranks())
    about = ", ".join(f"{means[one]:.6g} (sd {sds[one]:.4g}, {weights[one]:.1%})" for one in order)
    return Found(share >= 0.5, share * seen.field, told=(f"Gaussians about {about}",))


def sketch(values: np.ndarray) -> np.ndarray:
    """Evenly spaced quantiles of the values, float64, sorted: all of them where they are few."""
    if values.size <= _SKETCH:
        return np.sort(values.astype(np.float64))
    return np.quantile(values, (np.arange(_SKETCH) + 0.5) / _SKETCH).astype(np.float64)


def fitted_mixture(
    values: np.ndarray, centres: np.ndarray, iterations: int, tolerance: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights, means and standard deviations of Gaussians by expectation and maximisation (Dempster 1977).

    Args:
        values: Shape (n,).
        centres: Where the means start, shape (classes,).
        iterations: Rounds at most.
        tolerance: Gain of the mean log likelihood below which it stops.

    No deviation falls below a thousandth of that of all values, so that no class shrinks onto a single value.
    """
    floor = 1e-3 * values.std()
    near = np.abs(values[:, None] - centres).argmin(axis=1)
    weights = np.maximum(np.bincount(near, minlength=len(centres)) / len(values), 1e-6)
    means = centres.astype(np.float64)
    spread = np.sqrt(np.bincount(near, (values - means[near]) ** 2, len(means)) / (weights * len(values)))
    sds = np.maximum(spread, floor)
    before = -np.inf
    for _round in range(iterations):
        logs = _log_shares(values, weights, means, sds)
        top = logs.max(axis=1, keepdims=True)
        likelihood = top[:, 0] + np.log(np.exp(logs - top).sum(axis=1))
        share = np.exp(logs - likelihood[:, None])
        held = np.maximum(share.sum(axis=0), 1e-12)
        weights, means = held / len(values), share.T @ values / held
        sds = np.maximum(np.sqrt((share * (values[:, None] - means) ** 2).sum(axis=0) / held), floor)
        now = float(likelihood.mean())
        if now - before < tolerance:
            break
        before = now
    return weights, means, sds


def posterior(
    values: np.ndarray, weights: np.ndarray, means: np.ndarray, sds: np.ndarray, taken: tuple[int, ...]
) -> np.ndarray:
    """Probability, float32, that a value is of one of the taken classes; one slab at a time is worked on."""
    share = np.empty(values.shape, np.float32)
    for slab, into in zip(values, share, strict=True):
        logs = _log_shares(slab.ravel().astype(np.float64), weights, means, sds)
        each = np.exp(logs - logs.max(axis=1, keepdims=True))
        into[...] = (each[:, list(taken)].sum(axis=1) / each.sum(axis=1)).reshape(slab.shape)
    return share


def _log_shares(values: np.ndarray, weights: np.ndarray, means: np.ndarray, sds: np.ndarray) -> np.ndarray:
    return np.stack([_log_share(values, *one) for one in zip(weights, means, sds, strict=True)], axis=1)


def _log_share(values: np.ndarray, weight: float, mean: float, sd: float) -> np.ndarray:
    shift = np.log(weight) - np.log(sd) - 0.5 * np.log(2 * np.pi)
    return np.asarray(shift - 0.5 * ((values - mean) / sd) ** 2)


def _centres(seen: Prepared, classes: int, iterations: int) -> np.ndarray | None:
    """Means of k-means, rising; None where there are fewer values than classes."""
    from scipy.cluster.vq import ClusterError, kmeans2

    values = sketch(seen.counted)
    different = np.unique(values)
    if len(different) < classes:
        return None
    for given in (values, different):  # of many equal values, quantiles may be one and the same
        start = np.quantile(given, (np.arange(classes) + 0.5) / classes)
        try:
            centres, _ = kmeans2(values[:, None], start[:, None], iter=iterations, minit="matrix", missing="raise")
        except ClusterError:
            continue
        return np.sort(centres[:, 0])
    return None


def _too_few(classes: int) -> str:
    return f"fewer than {classes} values that can be told apart: there are not so many classes"
