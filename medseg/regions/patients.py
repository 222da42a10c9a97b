"""The patient table: what the regions of a patient come to at a study date, whatever became of the cases."""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from medseg.regions.cases import case_table, recist_sum
from medseg.regions.patient_columns import ALL_OF_PATIENT, STUDY_DATE, patient_columns

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Several", "begins_with_year", "iso_date", "patient_table"]

Several = Literal["mean", "sum"]

# What belongs to a case alone, so that it says nothing of the patient though he may have but one.
_OF_A_CASE = ("case", "patient", "status", "regions", "warnings", "error", "images", "series", "frame_of_reference")
_DATE = re.compile(r"(\d{4})([-/.]?)(\d{2})\2(\d{2})(?:[T ][\d:.]*)?")
_WHAT = ("case", "label")


def patient_table(
    regions: "pd.DataFrame",
    cases: "pd.DataFrame",
    labels: Sequence[str],
    *,
    exclusive: bool = True,
    date: str = STUDY_DATE,
    several: Several = "mean",
) -> "pd.DataFrame":
    """A row a patient, study date and label, and where there are several labels one of all of them.

    Nobody knows of several cases of one patient and day whether they show the same lesions twice (two views of a
    breast, two phases of a CT) or different ones (chest and abdomen). So their figures are not added up: each is the
    mean of the cases, the largest size the largest of all, and `cases` and `note` say so.

    Args:
        regions: The region table.
        cases: A row a case: `case`, `patient`, `status` ("done", "failed" or "skipped") and whatever else is known.
            What is the same in all cases of a patient and date goes into further columns; where they differ the cell
            is empty.
        labels: Their names in order.
        exclusive: Whether no voxel has two labels; else there is no row of all labels, which would count voxels twice.
        date: Column of `cases` with the date; a table without it has one date, which is unknown.
        several: "sum" adds several cases up, for who knows that no lesion is in two of them.

    Returns:
        `patient_columns` says what the columns mean. A patient without a lesion has rows of zeros, one of whom every
        case failed has rows without figures.
    """
    import pandas as pd

    cases = cases[cases["status"] != "skipped"]  # by a rule of the user's: nobody's case
    done = [str(case) for case in cases.loc[cases["status"] == "done", "case"]]
    names = _rows_of(labels, exclusive) or [""]
    of_case = {(row["case"], row["label"]): row for row in _per_case(regions, done, labels, exclusive)}
    further = [name for name in cases.columns if name not in (*_OF_A_CASE, date)]
    own = [column.name for column in patient_columns()]
    renamed = {name: _apart(name, own) for name in further}
    rows = []
    for (patient, day), group in _studies(cases, date).items():
        known, differing = _constant(group, further)
        ids = [str(case) for case in group["case"]]
        for label in names:
            measured = [of_case[case, label] for case in ids if (case, label) in of_case]
            study = _Study(day, ids, int((group["status"] != "done").sum()), measured, several)
            note = "; ".join([*study.notes(), *_differ(differing)])
            head = {"patient": patient, STUDY_DATE: day, "label": label}
            rows.append(head | study.figures() | {"note": note} | {renamed[key]: known[key] for key in further})
    frame = pd.DataFrame(rows, columns=[*own, *(renamed[name] for name in further)])
    frame = frame.astype({column.name: column.dtype for column in patient_columns()})
    empty = [column for column in frame.columns[len(own) :] if (frame[column] == "").all()]
    return frame.drop(columns=empty)


def iso_date(text: str) -> str:
    """A date that begins with its year (2020-01-31, 20200131, 2020/01/31, with a time or without) as 2020-01-31.

    Anything else stays as it is, since 01/02/2020 is one day in Europe and another in America.
    """
    found = _DATE.fullmatch(text.strip())
    return "-".join(found.group(1, 3, 4)) if found else text


def begins_with_year(text: str) -> bool:
    """Whether it is a date that `iso_date` understands."""
    return _DATE.fullmatch(text.strip()) is not None


@dataclass(frozen=True)
class _Study:
    """The cases of a patient and date, and what one label comes to in those that were measured."""

    day: str
    ids: Sequence[str]
    failed: int
    measured: Sequence[Mapping[str, Any]]
    several: Several

    def figures(self) -> dict[str, Any]:
        """The row's own columns."""
        found: dict[str, Any] = {"cases": len(self.ids) - self.failed, "failed_cases": self.failed}
        for name in self.measured[0] if self.measured else ():
            values = [row[name] for row in self.measured if name not in _WHAT and not math.isnan(row[name])]
            if values:
                found[name] = max(values) if name.startswith("largest_") else sum(values)
                if self.several == "mean" and not name.startswith("largest_"):
                    found[name] /= len(values)
        return found | {"case_ids": "; ".join(self.ids)}

    def notes(self) -> list[str]:
        """What the figures must not be read without."""
        done, told = len(self.ids) - self.failed, []
        if done > 1:
            how = "the mean of" if self.several == "mean" else "added up over"
            told.append(f"{done} cases: figures are {how} them, the largest size is that of all")
            if not self.day:
                told.append("their dates are unknown and may differ")
            if self._unlike():
                told.append("sizes are not all in one unit: each is of the cases that have it")
        if self.failed:
            rest = f"figures are of the other {done}" if done else "no figure is known"
            told.append(f"{self.failed} of {len(self.ids)} cases failed: {rest}")
        return told

    def _unlike(self) -> bool:
        """Whether some cases with regions are measured in another unit than others."""
        units = [
            tuple(name for name, value in row.items() if name.startswith("total_") and not math.isnan(value))
            for row in self.measured
            if row["regions"]
        ]
        return len(set(units)) > 1


def _rows_of(labels: Sequence[str], exclusive: bool) -> list[str]:
    return [*labels, *([ALL_OF_PATIENT] if exclusive and len(labels) > 1 else [])]


def _per_case(
    regions: "pd.DataFrame", done: Sequence[str], labels: Sequence[str], exclusive: bool
) -> list[dict[str, Any]]:
    """A row a case and label, those of all labels together among them."""
    rows = _with_diameters(case_table(regions, done, labels, []), regions)
    if exclusive and len(labels) > 1:
        united = regions.assign(label=ALL_OF_PATIENT)
        targets = {case: recist_sum(group, ("organ", "label")) for case, group in regions.groupby("case", sort=False)}
        for row in _with_diameters(case_table(united, done, [ALL_OF_PATIENT], []), united):
            told = {key: value for key, value in targets.get(row["case"], {}).items() if value is not None}
            rows.append(row | told)
    return rows


def _with_diameters(table: "pd.DataFrame", regions: "pd.DataFrame") -> list[dict[str, Any]]:
    """Rows of the case table with the sums of all diameters: 0 of no region, in the unit that the others have."""
    for unit in ("mm", "px"):
        name = f"longest_axial_{unit}"
        known = name in regions and regions[name].notna().any()
        sums = regions.groupby(["case", "label"])[name].sum(min_count=1).to_dict() if known else {}
        keys = zip(table["case"], table["label"], strict=True)
        table[f"diameter_sum_{unit}"] = [sums.get(key, 0.0 if known else math.nan) for key in keys]
    own = {column.name for column in patient_columns()} | {"case"}
    return [{str(key): value for key, value in row.items() if key in own} for row in table.to_dict("records")]


def _studies(cases: "pd.DataFrame", date: str) -> dict[tuple[str, str], "pd.DataFrame"]:
    """The cases of each patient and date: patients as they come, the dates of each in order."""
    days = [iso_date(_text(value)) for value in cases[date]] if date in cases else [""] * len(cases)
    keyed = cases.assign(**{"\0day": days})
    order = {patient: number for number, patient in enumerate(dict.fromkeys(keyed["patient"]))}
    groups = {(str(key[0]), str(key[1])): group for key, group in keyed.groupby(["patient", "\0day"], sort=False)}
    return dict(sorted(groups.items(), key=lambda item: (order[item[0][0]], item[0][1])))


def _constant(group: "pd.DataFrame", columns: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What all cases that say anything say alike, and the columns in which they differ."""
    said = {name: list(dict.fromkeys(text for value in group[name] if (text := _text(value)))) for name in columns}
    differing = [name for name, values in said.items() if len(values) > 1]
    return {name: values[0] if len(values) == 1 else "" for name, values in said.items()}, differing


def _differ(columns: Sequence[str]) -> list[str]:
    return [f"its cases differ in {', '.join(columns)}"] if columns else []


def _apart(name: str, taken: Sequence[str]) -> str:
    """A name that is not taken."""
    return f"{name} (case)" if name in taken else name


def _text(value: Hashable) -> str:
    """A cell as text; empty where it is missing."""
    return "" if value is None or value != value or str(value) == "<NA>" else str(value)
