"""Measure the masks of a data set: one row a region, one a case and label, and a bad case never stops the rest."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medseg.atomic import json_text, write_csv, write_text
from medseg.case import Case
from medseg.datasets import open_dataset
from medseg.errors import DatasetError, InputError, LabelError
from medseg.image import Segmentation
from medseg.io import read_case_image, read_case_label_map
from medseg.labels import Labels, labels_of
from medseg.line.outcomes import CASE_COLUMNS, crash, described, reason
from medseg.options import ReadOptions
from medseg.regions import (
    FAMILIES,
    Family,
    case_table,
    empty_table,
    measure_segmentation,
    patient_table,
    region_columns,
    schema_of,
)
from medseg.reporting import Reporter, Silent

__all__ = ["MeasuredCases", "measure_cases", "undeclared"]


@dataclass(frozen=True, eq=False)
class MeasuredCases:
    """What measuring a data set gives.

    Args:
        cases: A row a case: status "done" or "failed", how many regions, warnings, error; then what its data set and
            its header say of it.
        regions: A row a region; `medseg.regions.region_columns` says what the columns mean.
        totals: A row a case and label; `medseg.regions.case_columns` says what the columns mean.
        patients: A row a patient, study date and label; `medseg.regions.patient_columns` says what the columns mean.
        families: Which columns were asked for.
    """

    cases: pd.DataFrame
    regions: pd.DataFrame
    totals: pd.DataFrame
    patients: pd.DataFrame
    families: Sequence[str | Family] = ()

    @property
    def failed(self) -> pd.DataFrame:
        """The cases that could not be measured, with their reasons."""
        return self.cases[self.cases["status"] == "failed"]

    def save(self, folder: str | Path) -> None:
        """Write `regions.csv`, `totals.csv`, `patients.csv`, `cases.csv` and `regions.schema.json`.

        Raises:
            OutputError: The folder cannot be written.
        """
        folder = Path(folder)
        for name in ("cases", "regions", "totals", "patients"):
            write_csv(folder / f"{name}.csv", getattr(self, name))
        families: list[str | Family] = [*FAMILIES, *(one for one in self.families if isinstance(one, Family))]
        schema = json_text(schema_of(self.regions.columns, families), sort_keys=False)
        write_text(folder / "regions.schema.json", f"{schema}\n")

    def _repr_html_(self) -> str:
        return f"{self.totals.to_html(index=False)}{self.regions.head(20).to_html(index=False)}"


@dataclass(frozen=True)
class _How:
    """What is the same for all cases."""

    labels: Labels | None
    options: ReadOptions | None
    given: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class _Outcome:
    case: Case
    regions: pd.DataFrame | None = None
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    error: Exception | None = None


def measure_cases(
    dataset: str | Path | Sequence[Case],
    labels: Labels | None = None,
    *,
    options: ReadOptions | None = None,
    min_voxels: int = 0,
    families: Sequence[str | Family] | None = None,
    channel_names: Sequence[str] | None = None,
    merge_mm: float = 0.0,
    jobs: int = 1,
    reporter: Reporter | None = None,
) -> MeasuredCases:
    """Measure every labelled case of a data set.

    Args:
        dataset: What `open_dataset` takes, or its cases; those without a mask are passed over.
        labels: What the masks contain; else what the data set declares, else every value but 0.
        options: How to read, where there is a choice.
        min_voxels: Regions with fewer voxels are left out.
        families: As in `medseg.regions.measure_regions`.
        channel_names: As there.
        merge_mm: As there.
        jobs: Processes; -1 for one a core.
        reporter: Told of the progress.

    Raises:
        DatasetError: The data set does not hold together, or has no mask.
        InputError: There is no such family, or no number of processes.
    """
    families = tuple(families or ("default",))
    region_columns((), [one for one in families if one != "default"])  # refuses once what every case would refuse
    if jobs == 0:
        raise InputError("jobs", "0", "Give 1 or more, or -1 for one a core.")
    if isinstance(dataset, (str, Path)):
        opened = open_dataset(dataset, labels=labels)
        cases, labels, where = opened.cases, labels or opened.labels, Path(dataset)
    else:
        cases, where = tuple(dataset), Path("cases")
    cases = tuple(case for case in cases if case.labelled)
    if not cases:
        raise DatasetError(where, "holds no mask", "Name a data set whose cases have masks.")
    given = {"min_voxels": min_voxels, "families": families, "channel_names": channel_names, "merge_mm": merge_mm}
    results = _results(cases, _How(labels, options, given), jobs)
    tracked = (reporter or Silent()).track(cases, "Measuring", len(cases))
    found = [outcome for _case, outcome in zip(tracked, results, strict=True)]
    names = list(labels.names) if labels else list(dict.fromkeys(name for one in found for name in one.names))
    tables = [one.regions for one in found if one.regions is not None]
    filled = [table for table in tables if len(table)]
    regions = pd.concat(filled, ignore_index=True) if filled else (tables or [empty_table()])[0]
    done = [one.case.id for one in found if one.error is None]
    rows = [_row(one) for one in found]
    columns = dict.fromkeys([*CASE_COLUMNS, *(name for row in rows for name in row)])
    table = pd.DataFrame(rows, columns=list(columns)).astype({"regions": "Int64"})
    patients = patient_table(regions, table, names, exclusive=labels is None or labels.exclusive)
    return MeasuredCases(table, regions, case_table(regions, done, names), patients, families)


def undeclared(mask: np.ndarray, where: str) -> Labels:
    """A label for each value of a mask of which nobody declared any.

    Raises:
        LabelError: There are negative values, which could be labels, an ignore value or an image.
    """
    lowest = int(mask.min(initial=0))
    if lowest < 0:
        found = f"holds negative values ({lowest} among {np.count_nonzero(mask < 0)} voxels) that nobody declared"
        raise LabelError(where, found, "Declare them: --label ignore=-1, or --label NAME=-1.")
    return labels_of(mask, where=where)


def _results(cases: Sequence[Case], how: _How, jobs: int) -> Iterator[_Outcome]:
    """Outcomes in the order of the cases. Where a case takes its process down, the rest are measured one in each."""
    if jobs == 1 or len(cases) < 2:
        yield from (_guarded(case, how) for case in cases)
        return
    from joblib import Parallel, delayed

    done = 0
    try:
        for outcome in Parallel(n_jobs=jobs, return_as="generator")(delayed(_guarded)(case, how) for case in cases):
            done += 1
            yield outcome
    except BrokenProcessPool:
        for case in cases[done:]:
            try:
                yield from Parallel(n_jobs=2)([delayed(_guarded)(case, how)])
            except BrokenProcessPool:
                yield _Outcome(case, error=crash(case, "measuring", "its process ended"))


def _guarded(case: Case, how: _How) -> _Outcome:
    try:
        return _measured(case, how)
    except Exception as error:  # whatever one case does, the others are measured
        return _Outcome(case, error=error)


def _measured(case: Case, how: _How) -> _Outcome:
    image = read_case_image(case, how.options)
    found = read_case_label_map(case, image, how.labels, how.options)
    labels = how.labels or undeclared(found.mask, case.id)
    segmentation = Segmentation(found.mask, image.geometry, labels)
    regions = measure_segmentation(image, segmentation, case=case.id, **how.given)
    return _Outcome(case, regions, labels.names if len(regions) else (), (*image.notes, *found.notes), image.facts)


def _row(outcome: _Outcome) -> dict[str, Any]:
    case = outcome.case
    row: dict[str, Any] = {"case": case.id, "patient": case.patient, "images": " ".join(map(str, case.images))}
    row = described(described(row, case.columns), outcome.facts)
    if outcome.error is not None:
        return row | {"status": "failed", "error": reason(outcome.error)}
    assert outcome.regions is not None
    return row | {"status": "done", "regions": len(outcome.regions), "warnings": "; ".join(outcome.notes)}
