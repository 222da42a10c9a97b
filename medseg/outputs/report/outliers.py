"""Cases unlike the others: figures whose robust z-score is large."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medseg.outputs.report.index_data import case_figures
from medseg.outputs.report.source import ReportCase, Source

__all__ = ["Outlier", "outliers", "robust_z"]

LIMIT = 3.5
_FEWEST = 8  # cases of whom a spread says something


@dataclass(frozen=True)
class Outlier:
    """A figure of a case far from those of the others.

    Args:
        case: Whose.
        figure: "size", "longest" or "regions".
        label: Of the label.
        value: The figure.
        z: Its robust z-score, of sizes and diameters that of their logarithm.
        middle: The median of the cases.
    """

    case: ReportCase
    figure: str
    label: str
    value: float
    z: float
    middle: float


def robust_z(values: Sequence[float]) -> np.ndarray:
    """0.6745 (x - median) / MAD (Iglewicz and Hoaglin 1993, How to Detect and Handle Outliers).

    Where more than half are one value, the mean absolute deviation stands in: (x - median) / (1.253314 mean); where
    all are, every score is 0.
    """
    numbers = np.asarray(values, float)
    off = numbers - np.median(numbers)
    spread = np.median(np.abs(off)) / 0.6745 or np.abs(off).mean() * 1.253314
    return off / spread if spread else np.zeros_like(numbers)


def outliers(source: Source, size: str, longest: str) -> list[Outlier]:
    """Figures of done cases with a score above 3.5, the farthest first; none where there are fewer than eight."""
    done = [case for case in source.cases if case.status == "done"]
    labels = source.labels.names if source.labels else ()
    found = [one for label in labels for one in _of_label(done, size, longest, label)]
    return sorted(found, key=lambda one: (-abs(one.z), one.case.number, one.label, one.figure))


def _of_label(done: Sequence[ReportCase], size: str, longest: str, label: str) -> Iterator[Outlier]:
    figures = [(case, case_figures(case, size, longest, label)) for case in done]
    for name in ("size", "longest", "regions"):
        have = [(case, own[name]) for case, own in figures if _counts(own, name)]
        if len(have) < _FEWEST:
            continue
        values = [value for _case, value in have]
        scores = robust_z(values if name == "regions" else [math.log(value) for value in values])
        for (case, value), z in zip(have, scores, strict=True):
            if abs(z) > LIMIT:
                yield Outlier(case, name, label, value, float(z), float(np.median(values)))


def _counts(figures: Mapping[str, float], name: str) -> bool:
    """Whether a figure is one of many: what has no region has no size, which says nothing of sizes."""
    return name == "regions" or figures.get(name, 0) > 0
