"""Facts of cases in rows of a table, and in figures over all of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from medseg.datasets.dataset import Dataset
from medseg.datasets.inspection.facts import CaseFacts
from medseg.datasets.inspection.findings import Finding

__all__ = ["case_row", "label_names", "summarised"]

_SHOWN = (1, 50, 99)  # percentiles of the first channel that have a column


def label_names(dataset: Dataset, facts: Iterable[CaseFacts]) -> list[str]:
    """The declared labels in order, then what else was found."""
    declared = list(dataset.labels.names) if dataset.labels else []
    found = {name for one in facts for name in one.label_voxels}
    found |= {name for one in facts for voxels in one.reader_voxels.values() for name in voxels}
    return declared + sorted(found - set(declared), key=lambda name: (len(name), name))


def case_row(one: CaseFacts, names: Sequence[str], problems: Sequence[str]) -> dict[str, Any]:
    """One case as a row."""
    grid = one.geometry
    row: dict[str, Any] = {
        "case": one.case.id,
        "patient": one.case.patient,
        "split": one.case.split,
        "size": "×".join(str(n) for n in grid.shape) if grid else "",
        "spacing_mm": "×".join(f"{step:.4g}" for step in grid.step) if grid and grid.spacing_known else "",
        "orientation": grid.orientation if grid else "",
        "dtype": one.dtype,
        "modality": one.modality,
        "unit": one.unit,
    }
    row |= {f"voxels_{name}": one.label_voxels.get(name, 0) if one.label_voxels else None for name in names}
    row |= {
        f"voxels_{name}_{reader}": voxels.get(name, 0) for reader, voxels in one.reader_voxels.items() for name in names
    }
    for seen in one.intensities[:1]:
        row |= {"minimum": seen.minimum, **{f"p{n}": seen.percentiles[n] for n in _SHOWN}, "maximum": seen.maximum}
        row |= {"mean": seen.mean, "sd": seen.sd, "nonfinite": sum(each.nonfinite for each in one.intensities)}
    row |= {name: value for name, value in {**one.case.columns, **one.facts}.items() if name not in row}
    return row | {"notes": "; ".join(one.notes), "problem": "; ".join(problems)}


def summarised(dataset: Dataset, facts: Sequence[CaseFacts], findings: Sequence[Finding]) -> dict[str, Any]:
    """A data set in figures that JSON can hold."""
    grids = [one.geometry for one in facts if one.geometry is not None]
    return {
        "root": str(dataset.root),
        "layout": dataset.layout,
        "modality": dataset.modality,
        "channels": list(dataset.channels),
        "cases": len(dataset),
        "labelled": len(dataset.labelled),
        "negative": sum(case.negative for case in dataset.cases),
        "partly_labelled": sum(case.annotated is not None for case in dataset.cases),
        "readers": dict(Counter(name for case in dataset.cases for name in case.readers)),
        "patients": len(dataset.patients),
        "splits": dict(Counter(case.split for case in dataset.cases if case.split)),
        "dimensions": sorted({grid.ndim for grid in grids}),
        "size": _ranges([grid.shape for grid in grids]),
        "spacing_mm": _ranges([grid.step for grid in grids if grid.spacing_known]),
        "spacing_unknown": sum(not grid.spacing_known for grid in grids),
        "orientations": dict(Counter(grid.orientation for grid in grids if grid.orientation)),
        "dtypes": dict(Counter(one.dtype for one in facts if one.dtype)),
        "modalities": dict(Counter(one.modality for one in facts if one.modality)),
        "units": dict(Counter(one.unit for one in facts if one.unit)),
        "intensities": _intensities(dataset, facts),
        "labels": dataset.labels.to_config() if dataset.labels else None,
        **_labels(dataset, facts),
        "warnings": list(dataset.warnings),
        "findings": dict(Counter(one.kind for one in findings)),
        "problems": [_plain(one) for one in findings if one.severity == "problem"],
        "notes": [_plain(one) for one in findings if one.severity == "note"],
    }


def _labels(dataset: Dataset, facts: Sequence[CaseFacts]) -> dict[str, Any]:
    """Voxels of each label: in all, in how many masks, and [min, median, max] in those; every reader's counts."""
    voxels = [one.label_voxels for one in facts if not one.reader_voxels]
    voxels += [mask for one in facts for mask in one.reader_voxels.values()]
    counts = {name: [mask.get(name, 0) for mask in voxels] for name in label_names(dataset, facts)}
    present = {name: [n for n in values if n] for name, values in counts.items()}
    return {
        "label_voxels": {name: sum(values) for name, values in counts.items()},
        "cases_with_label": {name: len(values) for name, values in present.items()},
        "label_voxels_range": {name: _range(values) for name, values in present.items() if values},
    }


def _intensities(dataset: Dataset, facts: Sequence[CaseFacts]) -> dict[str, dict[str, list[float]]]:
    """[min, median, max] over the cases of the percentiles of each channel."""
    found: dict[str, dict[str, list[float]]] = {}
    for place in range(max((len(one.intensities) for one in facts), default=0)):
        seen = [one.intensities[place] for one in facts if len(one.intensities) > place]
        rows = [one for one in seen if np.isfinite(one.mean)]
        if not rows:
            continue
        name = dataset.channels[place] if place < len(dataset.channels) else str(place)
        found[name] = {f"p{n}": _range([one.percentiles[n] for one in rows]) for n in rows[0].percentiles}
        found[name] |= {"mean": _range([one.mean for one in rows]), "sd": _range([one.sd for one in rows])}
    return found


def _plain(one: Finding) -> dict[str, Any]:
    return {"kind": one.kind, "cases": list(one.cases), "text": one.text, "mend": one.mend}


def _range(values: Sequence[float]) -> list[float]:
    return [round(float(n), 6) for n in (np.min(values), np.median(values), np.max(values))]


def _ranges(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """[min, median, max] along each axis, of the rows with as many axes as most."""
    if not rows:
        return []
    usual = Counter(len(row) for row in rows).most_common(1)[0][0]
    same = [row for row in rows if len(row) == usual]
    return [_range(axis) for axis in zip(*same, strict=True)]
