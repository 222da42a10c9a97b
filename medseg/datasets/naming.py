"""Ids of cases that nobody named: their path below the input, safe as a folder's name and told apart."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from medseg import address
from medseg.case import Case
from medseg.io import formats

__all__ = ["dicom_name", "distinct", "named_by_part", "safe_name", "without_ending"]

_LONGEST = 200  # characters: a file system takes names of 255 bytes
# What stands beside the folders of the cases in that of a batch, in which each id is a folder.
_TAKEN = frozenset(
    (
        *("cases.csv", "regions.csv", "regions.parquet", "totals.csv", "patients.csv", "patients_joined.csv"),
        *("timings.csv", "run.json", "run.html", "ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm"),
        *("ledger.sqlite-journal", "ledger.lock", "report", "evaluation", "archive"),
    )
)


def dicom_name(where: Path, root: Path, number: object) -> str:
    """The path of a DICOM image below a folder; inside a folder of several series, with the series' number."""
    path, inside = address.split(where)
    below = path.relative_to(root).as_posix() if path != root else path.resolve().name
    name = without_ending(Path(below)) if path.is_file() else below
    if not inside:
        return name
    own = inside.partition("/")
    return f"{name}-{inside}" if path.is_file() else f"{name}/series{number or own[0]}{'-' if own[2] else ''}{own[2]}"


def without_ending(path: Path) -> str:
    """A path as text, without an ending that we know."""
    known = formats.ending(path)
    name = path.as_posix()
    return name[: -len(known)] if known in formats.ENDINGS else name


def safe_name(name: str) -> str:
    """A name of letters, digits, '.', '_' and '-' that is no hidden file's."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "case"


def distinct(cases: Iterable[Case]) -> list[Case]:
    """The cases, those of one id (in any case) told apart by their files, whatever the order.

    What no folder of a case can be called, since it is too long or a batch has a file or folder of that name, ends with
    a mark, too.
    """
    known = [_fitting(case) for case in cases]
    count = Counter(case.id.casefold() for case in known)
    return [case if count[case.id.casefold()] == 1 else _marked(case, case.images[0]) for case in known]


def named_by_part(cases: Iterable[tuple[str, Case]]) -> list[Case]:
    """Cases of the parts of a data set, where an id that stands in several begins with the part's name."""
    known = list(cases)
    count = Counter(case.id for _, case in known)
    return [case if count[case.id] == 1 or not part else replace(case, id=f"{part}_{case.id}") for part, case in known]


def _fitting(case: Case) -> Case:
    if len(case.id) <= _LONGEST and case.id.casefold() not in _TAKEN:
        return case
    return _marked(case, case.id)


def _marked(case: Case, by: str | Path) -> Case:
    mark = hashlib.sha256(os.fsencode(by)).hexdigest()[:8]
    return replace(case, id=f"{case.id[: _LONGEST - len(mark) - 1]}-{mark}")
