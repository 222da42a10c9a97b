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
    """The cases, those of one id (in any case) told apart by their files, whatever the order."""
    known = list(cases)
    count = Counter(case.id.casefold() for case in known)
    return [case if count[case.id.casefold()] == 1 else _marked(case) for case in known]


def named_by_part(cases: Iterable[tuple[str, Case]]) -> list[Case]:
    """Cases of the parts of a data set, where an id that stands in several begins with the part's name."""
    known = list(cases)
    count = Counter(case.id for _, case in known)
    return [case if count[case.id] == 1 or not part else replace(case, id=f"{part}_{case.id}") for part, case in known]


def _marked(case: Case) -> Case:
    mark = hashlib.sha256(os.fsencode(case.images[0])).hexdigest()[:8]
    return replace(case, id=f"{case.id}-{mark}")
