"""Circles round the lesions of mini-MIAS mammograms: its `Info.txt`, or the same as a CSV.

Columns are the film, its tissue, the class of abnormality, its severity, the centre's x and y, and the radius in
pixels. Whole numbers are centres of pixels; **y is counted from the bottom** of the 1024 rows, so row = 1023 - y.
Some calcifications are too widespread for a circle, and have no place ("*NOTE 3*").
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import InputError, UnreadableFileError
from medseg.io.annotations.files import parsed_once, rows_of, text_of
from medseg.io.annotations.shapes import Drawing, ellipse

__all__ = ["SEVERITIES", "SIZE", "Finding", "drawing", "findings", "is_table"]

SIZE = 1024
SEVERITIES = {"B": "benign", "M": "malignant"}
_FILM = re.compile(r"mdb\d{3}(?=\s|$)", re.IGNORECASE)
_CLASSES = ("CALC", "CIRC", "SPIC", "MISC", "ARCH", "ASYM", "NORM")
# How the columns are called in copies as CSV, in the order of Info.txt.
_COLUMNS = (
    ("name", "refnum", "film"), ("background tissue", "bg", "tissue"), ("abnormality", "class"),
    ("type", "severity"), ("x",), ("y",), ("r", "radius"),
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """One line: a film and what is on it.

    Args:
        film: "mdb001".
        tissue: "F" (fatty), "G" (fatty-glandular) or "D" (dense-glandular).
        abnormality: "CIRC", "CALC" ... or "NORM" for nothing.
        severity: "benign", "malignant" or, of nothing, empty.
        circle: Its centre's x and y, counted from the bottom, and its radius, where it has a place.
    """

    film: str
    tissue: str
    abnormality: str
    severity: str = ""
    circle: tuple[float, float, float] | None = None


def is_table(names: Iterable[str]) -> bool:
    """Whether columns of a CSV with these names hold mini-MIAS findings."""
    return None not in _columns(names).values()


@parsed_once
def findings(path: Path) -> Mapping[str, tuple[Finding, ...]]:
    """What is found on each film, by its name in lower case.

    Raises:
        UnreadableFileError: There is no film, or a line is not as it should be.
    """
    found: dict[str, list[Finding]] = {}
    lines = _from_csv(path) if path.suffix.lower() == ".csv" else _from_text(path)
    for line, fields in lines:
        finding = _finding(fields, f"{path}, line {line}")
        found.setdefault(finding.film, []).append(finding)
    if not found:
        raise UnreadableFileError(path, "lists no film (mdb001 …)", "Pass the Info.txt of mini-MIAS.")
    return {film: tuple(own) for film, own in found.items()}


def drawing(path: Path, inside: str) -> Drawing:
    """The circles on one film, named "benign" or "malignant".

    Raises:
        UnreadableFileError: The file is broken.
        InputError: It does not list the film, or a finding has no place.
    """
    film, where = inside.lower(), f"{path}:/{inside}"
    found = findings(path)
    if film not in found:
        raise InputError(path, f"lists no film {inside!r}", "Name one, as in Info.txt:/mdb001.")
    shapes = []
    for finding in found[film]:
        if finding.abnormality == "NORM":
            continue
        if finding.circle is None:
            text = f"{finding.severity} {finding.abnormality} without a place"
            raise InputError(where, text, "Leave the film out: where the lesion lies is not known.")
        x, y, radius = finding.circle
        shapes.append(ellipse(finding.severity, (x + 0.5, SIZE - 1 - y + 0.5), (radius, radius), where))
    return Drawing(tuple(shapes), (SIZE, SIZE))


def _columns(names: Iterable[str]) -> dict[str, str | None]:
    known = {name.casefold().strip(): name for name in names}
    return {own[0]: next((known[name] for name in own if name in known), None) for own in _COLUMNS}


def _from_csv(path: Path) -> Iterable[tuple[int, Sequence[str]]]:
    names, rows = rows_of(path)
    columns = [column for column in _columns(names).values() if column is not None]
    if len(columns) < len(_COLUMNS):
        raise UnreadableFileError(path, f"has the columns {', '.join(names)}", "Pass the table of mini-MIAS.")
    return [(line, [row[column] for column in columns if row[column]]) for line, row in rows]


def _from_text(path: Path) -> Iterable[tuple[int, Sequence[str]]]:
    lines = enumerate(text_of(path).splitlines(), start=1)
    return [(number, line.split()) for number, line in lines if _FILM.match(line)]


def _finding(fields: Sequence[str], where: str) -> Finding:
    head, rest = fields[:3], fields[3:]
    if len(head) < 3 or not _FILM.fullmatch(head[0]) or head[2].upper() not in _CLASSES:
        raise UnreadableFileError(where, f"reads {' '.join(fields)!r}", "Mend it.", "film, tissue, class …")
    film, tissue, abnormality = head[0].lower(), head[1].upper(), head[2].upper()
    if abnormality == "NORM":
        return Finding(film, tissue, abnormality)
    if not rest or rest[0].upper() not in SEVERITIES:
        raise UnreadableFileError(where, f"reads {' '.join(fields)!r}", "Mend it.", "B or M after the class")
    severity, place = SEVERITIES[rest[0].upper()], rest[1:]
    if not place or place[0].startswith("*"):
        return Finding(film, tissue, abnormality, severity)
    try:
        x, y, radius = (float(number) for number in place)
    except ValueError as error:
        raise UnreadableFileError(where, f"the circle {' '.join(place)!r}", "Mend it.", "x, y and radius") from error
    return Finding(film, tissue, abnormality, severity, (x, y, radius))
