"""A CSV that says whose each case is, and whatever else is known of it."""

import csv
import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from medseg.case import Case
from medseg.config import Settings
from medseg.datasets.dataset import Dataset, counted, noted
from medseg.errors import DatasetError
from medseg.io.formats import stem

__all__ = ["SPLITS", "CaseTable", "described", "header_names", "parse_spacing", "read_rows"]

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
    path: Path, needed: Iterable[str], problems: list[DatasetError], *, delimiter: str = ","
) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV as dictionaries of stripped text, each with its line number in the file.

    Args:
        path: The file.
        needed: Columns that must be there.
        problems: Gets a row with another number of fields, which is left out.
        delimiter: Between fields.

    Raises:
        DatasetError: The file cannot be read, or a column is absent or there twice.
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
        with noted(problems):
            if None in row or None in row.values():
                raise DatasetError(
                    f"{path}, line {line}", f"does not have {len(names)} fields", "Mend the commas or quotes."
                )
            whole.append((line, {name: value.strip() for name, value in row.items()}))
    return whole


def header_names(path: Path) -> set[str]:
    """The columns that the first line of a CSV names; none of a file that cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            return {name.strip(' "\r\n') for name in file.readline().split(",")}
    except OSError:
        return set()


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


def described(dataset: Dataset, table: CaseTable) -> Dataset:
    """A data set with the patients, splits, spacings and columns that a table gives, in place of its own of one name.

    What is wrong with single rows and cases (an empty patient, a case that the table does not name) is in `problems`
    and leaves them out; rows without a case are a warning.

    Raises:
        DatasetError: The table as a whole cannot be read.
    """
    path = (dataset.root if dataset.root.is_dir() else dataset.root.parent) / table.file
    named = [name for name in (table.patient, table.split, table.spacing_mm) if name]
    problems = list(dataset.problems)
    rows: dict[str, tuple[int, dict[str, str]]] = {}
    for line, row in read_rows(path, [table.id, *named], problems):
        name = stem(Path(row[table.id]))
        with noted(problems):
            if name in rows:
                found = f"the case {name!r} has a row already, line {rows[name][0]}"
                raise DatasetError(f"{path}, line {line}", found, "Keep one.")
            rows[name] = line, row
    cases: list[Case] = []
    for case in dataset.cases:
        with noted(problems):
            cases.append(_with_row(case, path, rows, table))
    spare = set(rows) - {case.id for case in dataset.cases}
    more = counted(spare, f"rows of {path.name} have no image")
    return replace(dataset, cases=tuple(cases), warnings=(*dataset.warnings, *more), problems=tuple(problems))


def _with_row(case: Case, path: Path, rows: dict[str, tuple[int, dict[str, str]]], table: CaseTable) -> Case:
    if case.id not in rows:
        raise DatasetError(path, f"has no row for the case {case.id!r}", "Add it, or remove the image.")
    line, row = rows[case.id]
    patient = row[table.patient] if table.patient else case.patient
    split = row[table.split] if table.split else case.split
    if table.patient and not patient:
        raise DatasetError(f"{path}, line {line}", "the patient is empty", "Say whose the image is: splits need it.")
    if split not in ("", *SPLITS):
        raise DatasetError(f"{path}, line {line}", f"unknown split {split!r}", "Mend it.", ", ".join(SPLITS))
    spacing = parse_spacing(row[table.spacing_mm], f"{path}, line {line}") if table.spacing_mm else case.spacing_mm
    used = (table.id, table.patient, table.split, table.spacing_mm)
    columns = {**case.columns, **{key: value for key, value in row.items() if key not in used}}
    return replace(case, patient=patient, split=split, columns=columns, spacing_mm=spacing)
