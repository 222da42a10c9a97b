"""A CSV that says whose each case is, and whatever else is known of it."""

import csv
import math
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.config import Settings
from medseg.datasets.dataset import noted
from medseg.errors import DatasetError
from medseg.io.formats import stem

__all__ = ["SPLITS", "CaseTable", "apply_case_table", "parse_spacing", "read_rows"]

SPLITS = ("train", "validation", "test")


class CaseTable(Settings):
    """Which CSV inside a data set describes its cases, and by which columns.

    `id` names the column with the case (a file name's ending is dropped), `patient` that of the patient, `split`
    that of "train", "validation" or "test", and `spacing_mm` that of the pixel spacing for images whose files have
    none (see `parse_spacing`). All other columns go into `Case.columns`.
    """

    file: str = "cases.csv"
    id: str = "id"
    patient: str | None = None
    split: str | None = None
    spacing_mm: str | None = None


def read_rows(
    path: Path, needed: Iterable[str], problems: list[DatasetError] | None = None, *, delimiter: str = ","
) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV as dictionaries of stripped text, each with its line number in the file.

    Args:
        path: The file.
        needed: Columns that must be there.
        problems: Gets a row with another number of fields, which is left out; without it the first is raised.
        delimiter: Between fields.

    Raises:
        DatasetError: The file cannot be read, a column is absent or there twice, or a row has another number of fields.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
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
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DatasetError(path, f"has the column {', '.join(twice)} twice", "Give each column its own name.")
    whole = []
    for line, row in rows:
        with _noted_in(problems):
            if None in row or None in row.values():
                raise DatasetError(
                    f"{path}, line {line}", f"does not have {len(names)} fields", "Mend the commas or quotes."
                )
            whole.append((line, {name: value.strip() for name, value in row.items()}))
    return whole


def _noted_in(problems: list[DatasetError] | None) -> AbstractContextManager[None]:
    """Collect what is wrong with one row or case where there is a list for it, else raise it."""
    return nullcontext() if problems is None else noted(problems)


def parse_spacing(text: str, where: str) -> tuple[float, ...] | None:
    """A pixel spacing in mm as it stands in a table: "0.2" for all axes, or one number each, "0.2x0.3", "0.2 0.3 1".

    Returns:
        The number for all axes, or those along x, y[, z]; `None` for an empty text.

    Raises:
        DatasetError: It is something else, or not above 0.
    """
    if not text:
        return None
    try:
        numbers = tuple(float(number) for number in re.split(r"\s*[x×]\s*|\s+", text))
    except ValueError:
        numbers = ()
    if len(numbers) not in (1, 2, 3) or not all(0 < number < math.inf for number in numbers):
        raise DatasetError(
            where,
            f"the spacing {text!r} cannot be read",
            "Write it in mm with a decimal point, or leave it empty where it is unknown.",
            '"0.2", or x, y[, z] as "0.2x0.3"',
        )
    return numbers


def apply_case_table(
    cases: Iterable[Case], root: Path, table: CaseTable, problems: list[DatasetError] | None = None
) -> tuple[list[Case], tuple[str, ...]]:
    """Cases with the patient, split and columns that a table gives, and a warning where rows have no case.

    Args:
        cases: The cases of the data set.
        root: Its folder.
        table: Which file and columns.
        problems: Gets what is wrong with single rows and cases, which are left out; without it the first is raised.

    Raises:
        DatasetError: The table is unreadable, names a case twice or not at all, or has an empty patient.
    """
    path = root / table.file
    named = [name for name in (table.patient, table.split, table.spacing_mm) if name]
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    for line, row in read_rows(path, [table.id, *named], problems):
        name = stem(Path(row[table.id]))
        with _noted_in(problems):
            if name in rows:
                found = f"the case {name!r} has a row already, line {rows[name][0]}"
                raise DatasetError(f"{path}, line {line}", found, "Keep one.")
            rows[name] = line, row
    described, spare = [], set(rows)
    for case in cases:
        spare.discard(case.id)
        with _noted_in(problems):
            described.append(_described(case, path, rows, table))
    listed = ", ".join(sorted(spare)[:5])
    return described, (f"{path.name} describes {len(spare)} cases that have no image ({listed})",) if spare else ()


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
    spacing = parse_spacing(row[table.spacing_mm], f"{path}, line {line}") if table.spacing_mm else case.spacing_mm
    used = (table.id, table.patient, table.split, table.spacing_mm)
    columns = {key: value for key, value in row.items() if key not in used}
    return replace(case, patient=patient, split=split, columns=columns, spacing_mm=spacing)
