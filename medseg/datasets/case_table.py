"""A CSV that says whose each case is, and whatever else is known of it."""

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.config import Settings
from medseg.errors import DatasetError
from medseg.io.formats import stem

__all__ = ["SPLITS", "CaseTable", "apply_case_table", "read_rows"]

SPLITS = ("train", "validation", "test")


class CaseTable(Settings):
    """Which CSV inside a data set describes its cases, and by which columns.

    `id` names the column with the case (a file name's ending is dropped), `patient` that of the patient, `split`
    that of "train", "validation" or "test". All other columns go into `Case.columns`.
    """

    file: str = "cases.csv"
    id: str = "id"
    patient: str | None = None
    split: str | None = None


def read_rows(path: Path, needed: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV as dictionaries of stripped text, each with its line number in the file.

    Raises:
        DatasetError: The file cannot be read, a column is absent, or a row has another number of fields.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(path, f"cannot be read ({error})", "Save the table as CSV in UTF-8.") from error
    absent = [name for name in needed if name not in names]
    if absent:
        raise DatasetError(
            path, f"lacks the column {', '.join(absent)} (it has: {', '.join(names)})", "Add it, or name the right one."
        )
    for line, row in rows:
        if None in row or None in row.values():
            raise DatasetError(
                f"{path}, line {line}", f"does not have {len(names)} fields", "Mend the commas or quotes."
            )
    return [(line, {name: value.strip() for name, value in row.items()}) for line, row in rows]


def apply_case_table(cases: Iterable[Case], root: Path, table: CaseTable) -> tuple[list[Case], tuple[str, ...]]:
    """Cases with the patient, split and columns that a table gives, and a warning where rows have no case.

    Raises:
        DatasetError: The table is unreadable, names a case twice or not at all, or has an empty patient.
    """
    path = root / table.file
    named = [name for name in (table.patient, table.split) if name]
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    for line, row in read_rows(path, [table.id, *named]):
        name = stem(Path(row[table.id]))
        if name in rows:
            raise DatasetError(f"{path}, line {line}", f"the case {name!r} has a row already", "Keep one.")
        rows[name] = line, row
    described = [_described(case, path, rows, table) for case in cases]
    spare = sorted(set(rows) - {case.id for case in described})
    warning = (f"{path.name} describes {len(spare)} cases that have no image ({', '.join(spare[:5])})",)
    return described, warning if spare else ()


def _described(case: Case, path: Path, rows: dict[str, tuple[int, dict[str, str]]], table: CaseTable) -> Case:
    if case.id not in rows:
        raise DatasetError(path, f"has no row for the case {case.id!r}", "Add it, or remove the image.")
    line, row = rows[case.id]
    patient = row[table.patient] if table.patient else case.patient
    split = row[table.split] if table.split else case.split
    if not patient:
        raise DatasetError(f"{path}, line {line}", "the patient is empty", "Say whose the image is: splits need it.")
    if split not in ("", *SPLITS):
        raise DatasetError(f"{path}, line {line}", f"unknown split {split!r}", "Mend it.", ", ".join(SPLITS))
    columns = {key: value for key, value in row.items() if key not in (table.id, table.patient, table.split)}
    return replace(case, patient=patient, split=split, columns=columns)
