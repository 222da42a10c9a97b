"""Voxels of each label of a mask, and what is wrong with them."""

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np

from medseg.case import Case
from medseg.datasets.inspection.findings import Finding
from medseg.datasets.inspection.tally import tallied
from medseg.labels import Labels

__all__ = ["counted", "mask_findings"]

_LISTED = 10
_IGNORE = "ignore"


def counted(mask: np.ndarray, labels: Labels | None, ndim: int, structure: str = "") -> tuple[dict[str, int], set[int]]:
    """Voxels of each label, and the values that no label has.

    Args:
        mask: File values, shape (x, y[, z]), or a stack of binary channels, shape (labels, x, y[, z]).
        labels: What they mean.
        ndim: Number of spatial axes.
        structure: Which named structure a mask of 0 and 1 shows, in place of file values.
    """
    if mask.ndim > ndim:
        names = labels.names if labels else [str(n) for n in range(1, len(mask) + 1)]
        drawn = {name: np.count_nonzero(channel == 1) for name, channel in zip(names, mask, strict=True)}
        return {name: int(count) for name, count in drawn.items() if count}, set()
    values, counts = tallied(mask, 0) if mask.dtype == np.uint8 else np.unique(mask, return_counts=True)
    if structure:
        return _of_structure(structure, int(counts[values != 0].sum()), labels), set()
    named = _names(labels)
    background = set(labels.background) if labels else {0}
    voxels: Counter[str] = Counter()
    unknown = set()
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value in background:
            continue
        if value not in named and labels is not None:
            unknown.add(value)
        for name in named.get(value, [str(value)]):
            voxels[name] += count
    return dict(voxels), unknown


def mask_findings(case: Case, voxels: Mapping[str, int], unknown: set[int]) -> Iterator[Finding]:
    """What is wrong with the values of a mask."""
    if unknown:
        listed = sorted(unknown)
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        text = f"the mask holds undeclared values: {', '.join(str(n) for n in listed[:_LISTED])}{more}"
        mend = "Declare them under `labels`, or mend the mask; smoothed edges are read with `nearest_label: true`."
        yield Finding("undeclared_values", text, (case.id,), mend=mend)
    labelled = sum(count for name, count in voxels.items() if name != _IGNORE)
    if labelled and case.negative:
        text = f"the data set says that there is nothing to find, but {labelled} voxels are labelled"
        yield Finding("not_empty", text, (case.id,), mend="Correct the class, or empty the mask.")
    if not labelled and not case.negative:
        text = "the mask is empty"
        yield Finding("empty_mask", text, (case.id,), mend="Label it, or declare that there is nothing to find.")


def _of_structure(structure: str, count: int, labels: Labels | None) -> dict[str, int]:
    if not count:
        return {}
    value = labels.value_of(structure) if labels else None
    named = [label.name for label in labels.labels if value in label.values] if labels else [structure]
    return dict.fromkeys(named, count)


def _names(labels: Labels | None) -> dict[int, list[str]]:
    """Names that a value counts for: several, of labels that overlap."""
    named: dict[int, list[str]] = {}
    for label in labels.labels if labels else ():
        for value in label.values:
            named.setdefault(value, []).append(label.name)
    return named if labels is None or labels.ignore is None else {**named, labels.ignore: [_IGNORE]}
