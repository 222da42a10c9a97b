"""A clinical table of the user's, joined to the patient table by keys that are compared and never guessed at."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg.errors import InputError
from medseg.regions.patient_columns import STUDY_DATE
from medseg.regions.patients import begins_with_year, iso_date

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Joined", "join_clinical"]

_SHOWN = 5
_DELIMITERS = (",", ";", "\t")
Key = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Joined:
    """A patient table with the columns of a clinical one.

    Args:
        table: The patient table; the clinical columns, as text, stand last.
        without_row: Patients (and dates) of whom the clinical table says nothing; their cells are empty.
        without_patient: Keys of clinical rows that nobody here has; they are left out.
        renamed: Clinical columns whose names the table had already, and what they are called now.
    """

    table: "pd.DataFrame"
    without_row: tuple[Key, ...]
    without_patient: tuple[Key, ...]
    renamed: Mapping[str, str]

    @property
    def notes(self) -> list[str]:
        """What of it a user should look at, a sentence each."""
        told = []
        if self.without_row:
            told.append(f"the clinical table has no row of {_listed(self.without_row)}")
        if self.without_patient:
            told.append(f"the clinical table has rows of nobody here: {_listed(self.without_patient)}")
        return told + [f"clinical column {old} is called {new} here" for old, new in self.renamed.items()]


def join_clinical(table: "pd.DataFrame", path: Path, key: Sequence[str] = ("patient",)) -> Joined:
    """Join the rows of a CSV to a patient table.

    Keys are the same where their text is. Dates are compared as days where they begin with the year.

    Args:
        table: As `patient_table` gives it.
        path: A CSV in UTF-8; commas, semicolons or tabs between fields. Cells are taken over as text.
        key: Its column with the patient, and if its rows are of single studies that with the study's date.

    Raises:
        InputError: The file cannot be read, lacks a key column, has an empty or a double key, a date that does not
            begin with its year, a key that differs from a patient's in leading zeros, blanks or capitals alone, or no
            key that any patient has.
    """
    if not 1 <= len(key) <= 2 or len(set(key)) < len(key):
        raise InputError("clinical key", ",".join(key), "Name the patient's column, and that of the date if need be.")
    columns, rows = _read(path, key)
    own = ("patient", STUDY_DATE)[: len(key)]
    keys = [tuple(str(value) for value in row) for row in table[list(own)].itertuples(index=False, name=None)]
    known = dict.fromkeys(keys)
    _require_plain(path, [one for one in rows if one not in known], known)
    if known and rows and not any(one in known for one in rows):
        mend = f"Name the columns that hold {' and '.join(own)} as in patients.csv: --clinical-key."
        raise InputError(path, f"no row is of a patient here ({_listed(rows)})", mend, f"such as {_listed(known)}")
    names = _named(columns, [str(name) for name in table.columns])
    joined = table.copy()
    for place, name in enumerate(names):
        joined[name] = [rows[one][place] if one in rows else "" for one in keys]
    renamed = {old: new for old, new in zip(columns, names, strict=True) if old != new}
    return Joined(
        joined,
        tuple(one for one in known if one not in rows),
        tuple(one for one in rows if one not in known),
        renamed,
    )


def _read(path: Path, key: Sequence[str]) -> tuple[list[str], dict[Key, list[str]]]:
    """The names of the columns that are not keys, and their cells by key."""
    lines = _lines(path)
    header = [name.strip() for name in lines[0][1]] if lines else []
    absent = [name for name in key if name not in header]
    if absent:
        mend = "Name the columns that say whose a row is: --clinical-key patient or --clinical-key patient,date."
        raise InputError(path, f"lacks the column {', '.join(absent)} (it has: {', '.join(header)})", mend)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise InputError(path, f"has the column {', '.join(twice)} twice", "Give each column its own name.")
    places = [header.index(name) for name in key]
    rows: dict[Key, list[str]] = {}
    seen: dict[Key, int] = {}
    for number, cells in lines[1:]:
        where = f"{path}, line {number}"
        if len(cells) != len(header):
            raise InputError(where, f"has {len(cells)} fields", "Mend the commas or quotes.", f"{len(header)}")
        found = _key([cells[place] for place in places], key, where)
        if found in rows:
            mend = "Keep one row of each, or name the column of the date too: --clinical-key patient,date."
            raise InputError(where, f"{_said(found)} has a row already, line {seen[found]}", mend)
        seen[found] = number
        rows[found] = [cell.strip() for place, cell in enumerate(cells) if place not in places]
    return [name for place, name in enumerate(header) if place not in places], rows


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Lines that are not empty, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        first = text.split("\n", 1)[0]
        delimiter = max(_DELIMITERS, key=first.count)
        reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        return [(reader.line_num, cells) for cells in reader if any(cells)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "Save the table as CSV in UTF-8.") from error


def _key(cells: Sequence[str], names: Sequence[str], where: str) -> Key:
    for cell, name in zip(cells, names, strict=True):
        if not cell.strip():
            raise InputError(where, f"the {name} is empty", "Say whose the row is, or take it out.")
    if len(cells) == 1:
        return (cells[0],)
    if not begins_with_year(cells[1]):
        mend = "Write year, month, day: 2020-01-31. What 01/02/2020 is depends on the country."
        raise InputError(where, f"the {names[1]} {cells[1]!r} does not begin with its year", mend)
    return (cells[0], iso_date(cells[1]))


def _require_plain(path: Path, unmatched: Sequence[Key], known: Iterable[Key]) -> None:
    """Refuse keys of nobody that would be somebody's without leading zeros, blanks and capitals."""
    plain = {_plain(one[0]): one[0] for one in known}
    exact = set(plain.values()) | {one[0] for one in known}
    alike = {one[0]: plain[_plain(one[0])] for one in unmatched if one[0] not in exact and _plain(one[0]) in plain}
    if alike:
        listed = ", ".join(f"{theirs!r} for {ours!r}" for theirs, ours in list(alike.items())[:_SHOWN])
        more = f" and {len(alike) - _SHOWN} more" if len(alike) > _SHOWN else ""
        mend = "Write the ids as in patients.csv; a spreadsheet drops leading zeros unless the column is text."
        found = f"has ids that differ in leading zeros, blanks or capitals alone ({listed}{more})"
        raise InputError(path, found, mend)


def _plain(patient: str) -> str:
    """An id without what spreadsheets and typists change: 007, "7 " and 7.0 are one."""
    text = "".join(patient.split()).casefold()
    if text.endswith(".0") and text[:-2].isdigit():
        text = text[:-2]
    return text.lstrip("0") or "0"


def _named(columns: Sequence[str], taken: Iterable[str]) -> list[str]:
    """The columns' names, with a suffix where the table has such a one."""
    used, names = set(taken), []
    for column in columns:
        name, number = column, 1
        while name in used:
            name, number = f"{column}_clinical{'' if number == 1 else number}", number + 1
        used.add(name)
        names.append(name)
    return names


def _listed(keys: Iterable[Key]) -> str:
    words = [_said(key) for key in keys]
    return ", ".join(words[:_SHOWN]) + (f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")


def _said(key: Key) -> str:
    return " of ".join(key) if len(key) == 2 else key[0]
