"""What is in a data set: grids, label voxels, and every problem found, without stopping at the first."""

import html
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg.case import Case
from medseg.datasets.dataset import Dataset
from medseg.errors import MedsegError
from medseg.geometry import Geometry
from medseg.io import read_case_image, read_case_label_map
from medseg.labels import Labels
from medseg.options import ReadOptions

if TYPE_CHECKING:
    import pandas

__all__ = ["CaseFacts", "Inspection", "inspect_dataset"]

Progress = Callable[[Sequence[Case]], Iterable[Case]]


@dataclass(frozen=True)
class CaseFacts:
    """What was found of one case; the grid is `None` where the image cannot be read.

    `label_voxels` counts by label name ("ignore" among them), and by value where nobody declared it.
    """

    case: Case
    geometry: Geometry | None = None
    dtype: str = ""
    notes: tuple[str, ...] = ()
    label_voxels: dict[str, int] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Inspection:
    """The facts of every case of a data set."""

    dataset: Dataset
    facts: tuple[CaseFacts, ...]

    @property
    def problems(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a case id and what is wrong with it."""
        return tuple((one.case.id, text) for one in self.facts for text in one.problems)

    @property
    def table(self) -> "pandas.DataFrame":
        """One row a case: id, patient, grid, type, voxels of each label, notes and problems."""
        import pandas as pd

        return pd.DataFrame([_row(one, self._label_names) for one in self.facts])

    @property
    def summary(self) -> dict[str, Any]:
        """Everything in figures that JSON can hold; ranges are [min, median, max] over the readable cases."""
        dataset = self.dataset
        grids = [one.geometry for one in self.facts if one.geometry is not None]
        counts = {name: [one.label_voxels.get(name, 0) for one in self.facts] for name in self._label_names}
        return {
            "root": str(dataset.root),
            "layout": dataset.layout,
            "modality": dataset.modality,
            "channels": list(dataset.channels),
            "cases": len(dataset),
            "labelled": len(dataset.labelled),
            "patients": len(dataset.patients),
            "splits": dict(Counter(case.split for case in dataset.cases if case.split)),
            "dimensions": sorted({grid.ndim for grid in grids}),
            "size": _ranges([grid.shape for grid in grids]),
            "spacing_mm": _ranges([grid.step for grid in grids if grid.spacing_known]),
            "spacing_unknown": sum(not grid.spacing_known for grid in grids),
            "orientations": dict(Counter(grid.orientation for grid in grids if grid.orientation)),
            "dtypes": dict(Counter(one.dtype for one in self.facts if one.dtype)),
            "labels": dataset.labels.to_config() if dataset.labels else None,
            "label_voxels": {name: sum(values) for name, values in counts.items()},
            "cases_with_label": {name: sum(n > 0 for n in values) for name, values in counts.items()},
            "warnings": list(dataset.warnings),
            "problems": [{"case": name, "problem": text} for name, text in self.problems],
        }

    @property
    def _label_names(self) -> list[str]:
        declared = list(self.dataset.labels.names) if self.dataset.labels else []
        found = {name for one in self.facts for name in one.label_voxels}
        return declared + sorted(found - set(declared), key=lambda name: (len(name), name))

    def __repr__(self) -> str:
        return f"Inspection({len(self.facts)} cases, {len(self.problems)} problems)"

    def _repr_html_(self) -> str:
        problems = "".join(f"<li>{html.escape(name)}: {html.escape(text)}</li>" for name, text in self.problems)
        listed = (
            f"<p>{len(self.problems)} problem(s)</p><ul>{problems}</ul>" if problems else "<p>No problem found.</p>"
        )
        return self.dataset._repr_html_() + listed + self.table.to_html(index=False, max_rows=20)


def inspect_dataset(
    dataset: Dataset, progress: Progress | None = None, options: ReadOptions | None = None
) -> Inspection:
    """Read every image and mask of a data set.

    Args:
        dataset: What `open_dataset` found.
        progress: Wraps the cases to show how far it has come; must yield each of them.
        options: How to read, where there is a choice.

    Returns:
        Facts of every case. What cannot be read or does not fit is a problem there, never an exception.
    """
    facts = [_facts(case, dataset.labels, options) for case in (progress or iter)(dataset.cases)]
    usual = Counter(one.geometry.ndim for one in facts if one.geometry).most_common(1)
    return Inspection(dataset, tuple(_compared(one, usual[0][0]) if usual else one for one in facts))


def _compared(one: CaseFacts, usual: int) -> CaseFacts:
    if one.geometry is None or one.geometry.ndim == usual:
        return one
    text = f"the image is {one.geometry.ndim}D where most are {usual}D"
    return replace(one, problems=(*one.problems, text))


def _facts(case: Case, labels: Labels | None, options: ReadOptions | None) -> CaseFacts:
    try:
        image = read_case_image(case, options)
    except MedsegError as error:
        return CaseFacts(case, problems=(str(error),))
    geometry, dtype, notes = image.geometry, str(image.voxels.dtype), image.notes
    problems = _image_problems(image.voxels)
    counts: dict[str, int] = {}
    if case.masks:
        try:
            read = read_case_label_map(case, image, labels, options)
            notes += tuple(f"mask: {note}" for note in read.notes)
            counts, found = _counted(read.mask, labels)
            problems += found
        except MedsegError as error:
            problems += (str(error),)
    return CaseFacts(case, geometry, dtype, notes, counts, problems)


def _image_problems(voxels: np.ndarray) -> tuple[str, ...]:
    constant = [i for i, channel in enumerate(voxels) if channel.min() == channel.max()]
    return tuple(f"channel {i} is constant" for i in constant)


def _counted(mask: np.ndarray, labels: Labels | None) -> tuple[dict[str, int], tuple[str, ...]]:
    """Voxels of each label, and whether the mask is empty or holds what nobody declared."""
    values, counts = np.unique(mask, return_counts=True)
    named = _names(labels)
    background = set(labels.background) if labels else {0}
    voxels: Counter[str] = Counter()
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        if value not in background:
            voxels[named.get(value, str(value))] += count
    problems = []
    unknown = [value for value in values.tolist() if value not in named and value not in background]
    if labels and unknown:
        problems.append(f"the mask holds undeclared values {unknown[:10]}")
    if not any(name != "ignore" for name in voxels):
        problems.append("the mask is empty")
    return dict(voxels), tuple(problems)


def _names(labels: Labels | None) -> dict[int, str]:
    if labels is None:
        return {}
    named = {value: label.name for label in labels.labels for value in label.values}
    return named if labels.ignore is None else named | {labels.ignore: "ignore"}


def _row(one: CaseFacts, names: Sequence[str]) -> dict[str, Any]:
    grid = one.geometry
    row: dict[str, Any] = {
        "case": one.case.id,
        "patient": one.case.patient,
        "split": one.case.split,
        "size": "×".join(str(n) for n in grid.shape) if grid else "",
        "spacing_mm": "×".join(f"{step:.4g}" for step in grid.step) if grid and grid.spacing_known else "",
        "orientation": grid.orientation if grid else "",
        "dtype": one.dtype,
    }
    row |= {f"voxels_{name}": one.label_voxels.get(name, 0) if one.label_voxels else None for name in names}
    return row | {"notes": "; ".join(one.notes), "problem": "; ".join(one.problems)}


def _ranges(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """[min, median, max] along each axis, of the rows with as many axes as the first."""
    same = [row for row in rows if len(row) == len(rows[0])]
    if not same:
        return []
    figures = np.stack([np.min(same, axis=0), np.median(same, axis=0), np.max(same, axis=0)], axis=1)
    return [[round(float(n), 6) for n in axis] for axis in figures]
