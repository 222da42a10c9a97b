"""Spacings, sizes and intensities far from those of the other cases."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from medseg.datasets.inspection.facts import PERCENTILES, CaseFacts
from medseg.datasets.inspection.findings import Finding, Severity

__all__ = ["BY_INTENT", "outliers"]

BY_INTENT = 0.1  # share of the cases, above which what differs is another acquisition rather than a slip
_FEWEST = 8  # cases, below which nobody can say what is usual
_FACTOR = 5.0  # times the median that a spacing or size must be away, at least
_DEVIATIONS = 8.0  # robust standard deviations that anything must be away
_SIGMA = 1.4826  # median absolute deviations in a standard deviation
_SHIFT = 0.5  # of the usual range of intensities, that all percentiles must be off


def outliers(facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Cases far from the others of as many axes, in spacing, size or intensities."""
    usual = Counter(one.geometry.ndim for one in facts if one.geometry).most_common(1)
    alike = [one for one in facts if one.geometry and one.geometry.ndim == usual[0][0]]
    measured = [one for one in alike if one.geometry and one.geometry.spacing_known]
    # axes in order of length, since the same acquisition is stored in many orders
    steps = np.array([sorted(one.geometry.step) for one in measured if one.geometry])
    far = list(_far(steps, "the spacing is {} mm where {} mm is usual"))
    severity: Severity = "problem" if len(far) <= max(1, BY_INTENT * len(steps)) else "note"
    for place, text in far:
        hint = "Check its unit and header: masks are measured, and volumes resampled, by it."
        yield Finding("spacing_outlier", text, (measured[place].case.id,), severity, hint)
    sizes = np.array([sorted(one.geometry.shape) for one in alike if one.geometry], float)
    for place, text in _far(sizes, "the size is {} where {} is usual"):
        yield Finding(
            "size_outlier", text, (alike[place].case.id,), "note", "Look whether it is a localiser or a crop."
        )
    yield from _intensities(alike)


def _far(rows: np.ndarray, words: str) -> Iterator[tuple[int, str]]:
    """Places of rows with an entry that is many times the median, and what to say of them."""
    if len(rows) < _FEWEST:
        return
    logs = np.log(rows)
    middle = np.median(logs, axis=0)
    off = np.abs(logs - middle)
    limit = np.maximum(np.log(_FACTOR), _DEVIATIONS * _SIGMA * np.median(off, axis=0))
    for place in np.flatnonzero((off > limit).any(axis=1)).tolist():
        yield place, words.format(*("×".join(f"{n:.4g}" for n in row) for row in (rows[place], np.exp(middle))))


def _intensities(facts: Sequence[CaseFacts]) -> Iterator[Finding]:
    """Cases all of whose percentiles lie far on one side of the usual ones: another offset, as of 1024 HU."""
    for channel in range(max((one.channels for one in facts), default=0)):
        seen = [one for one in facts if len(one.intensities) > channel and np.isfinite(one.intensities[channel].mean)]
        if len(seen) < _FEWEST:
            continue
        rows = np.array([[one.intensities[channel].percentiles[n] for n in PERCENTILES] for one in seen])
        off = rows - np.median(rows, axis=0)
        span = float(np.median(rows[:, -2] - rows[:, 1]))  # 5th to 95th
        # of another scale, as MR is from scanner to scanner, nothing can be said of an offset
        own = rows[:, -2] - rows[:, 1]
        comparable = (own < _FACTOR * span) & (own > span / _FACTOR)
        limit = np.maximum(_SHIFT * span, _DEVIATIONS * _SIGMA * np.median(np.abs(off), axis=0))
        shifted = (off > limit).all(axis=1) | (off < -limit).all(axis=1)
        for place in np.flatnonzero(shifted & comparable).tolist():
            shift = float(np.median(off[place]))
            text = (
                f"intensities of channel {channel} lie {abs(shift):.4g} {'above' if shift > 0 else 'below'} the usual"
            )
            mend = "Check its rescaling: an offset of 1024 is that of CT without it."
            yield Finding("intensity_outlier", text, (seen[place].case.id,), mend=mend)
