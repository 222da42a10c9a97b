"""What a report is made of: the tables of a folder that predict wrote, and what its record says of the model."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from medseg.errors import InputError, MedsegError
from medseg.labels import Labels
from medseg.outputs.report.names import images_of, plain_words, reveals, shown_columns, without_identity

__all__ = ["ReportCase", "Source", "read_source"]

_OWN = ("case", "patient", "status", "regions", "warnings", "error", "images")
_TEXTS = ("case", "label", "organ", "side", "suv_unit", "suv_note")
_TELLING = 4
_MEND = "Name a folder that `medseg predict` wrote."


@dataclass(frozen=True)
class ReportCase:
    """One case, as a report shows it.

    Args:
        number: Its row in `cases.csv`, from 1.
        id: The name of its folder.
        name: What it is called in the report.
        patient: Whose it is; empty where that is not shown.
        images: The files of its channels.
        status: "done", "failed" ...
        warnings: Of the run.
        error: Why it failed.
        columns: What else is known of it.
        regions: Its rows of `regions.csv`; cells without a value are left out.
    """

    number: int
    id: str
    name: str
    patient: str
    images: tuple[Path, ...]
    status: str
    warnings: str = ""
    error: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    regions: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """The name of its files in the report, which tells nothing of it."""
        return f"{self.number:06d}"


@dataclass(frozen=True, eq=False)
class Source:
    """All of a folder of predictions but its pictures.

    Args:
        out: The folder.
        cases: In the order of `cases.csv`.
        labels: What the masks mean; None where no record says it.
        run: `run.json`; empty where there is none.
        identifiers: Whether the names of cases may tell whose they are.
        patients: Who must not be named else.
    """

    out: Path
    cases: tuple[ReportCase, ...]
    labels: Labels | None
    run: Mapping[str, Any]
    identifiers: bool = False
    patients: frozenset[str] = frozenset()


def read_source(out: Path, *, identifiers: bool = False) -> Source:
    """Read the tables of a folder of predictions.

    Raises:
        InputError: There is no `cases.csv`, a table cannot be read, or `run.json` is broken.
    """
    table = _table(out / "cases.csv", dtype=str).fillna("")
    if absent := [name for name in ("case", "status", "images") if name not in table]:
        raise InputError(out / "cases.csv", f"lacks the column {', '.join(absent)}", _MEND)
    run, labels = _record(out / "run.json")
    regions = _regions(out / "regions.csv")
    rows: list[dict[str, str]] = [
        {str(name): str(cell) for name, cell in row.items()} for row in table.to_dict("records")
    ]
    others = frozenset() if identifiers else _patients(rows)
    cases = [
        _case(number, row, regions.get(row["case"], ()), identifiers, others)
        for number, row in enumerate(rows, start=1)
    ]
    return Source(out, tuple(cases), labels, run, identifiers, others)


def _patients(rows: Sequence[Mapping[str, str]]) -> frozenset[str]:
    """All patients that are known by more than a number or a syllable, which stands in many ids by chance."""
    known = {row["patient"] for row in rows if row.get("patient") and row["patient"] != row["case"]}
    return frozenset(words for words in map(plain_words, known) if len(words) >= _TELLING)


def _case(
    number: int,
    row: dict[str, str],
    regions: tuple[Mapping[str, Any], ...],
    identifiers: bool,
    others: frozenset[str],
) -> ReportCase:
    case, patient, images = row["case"], row.get("patient", ""), images_of(row["images"])
    hidden = not identifiers and reveals(case, patient, images, others)
    name = f"case {number}" if hidden else case
    own = plain_words(patient) if patient != case else ""
    named = others | ({own} if len(own) >= _TELLING - 1 else set())
    texts = {key: row.get(key, "") for key in ("warnings", "error")}
    if not identifiers:
        texts = {key: without_identity(text, case, name, named, images) for key, text in texts.items()}
    known = shown_columns({key: value for key, value in row.items() if key not in _OWN}, identifiers)
    return ReportCase(
        number, case, name, patient if identifiers else "", images, row["status"],
        texts["warnings"], texts["error"], known, regions,
    )  # fmt: skip


def _regions(path: Path) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The rows of each case; none where nothing was measured."""
    if not path.is_file():
        return {}
    table = _table(path, dtype=dict.fromkeys(_TEXTS, str))
    if absent := [name for name in ("case", "label", "region") if name not in table]:
        raise InputError(path, f"lacks the column {', '.join(absent)}", _MEND)
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in table.to_dict("records"):
        filled = {str(name): _plain(cell) for name, cell in row.items() if not pd.isna(cell)}
        found.setdefault(filled["case"], []).append(filled)
    return {case: tuple(rows) for case, rows in found.items()}


def _plain(cell: Any) -> Any:
    value = cell.item() if isinstance(cell, np.generic) else cell
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _record(path: Path) -> tuple[dict[str, Any], Labels | None]:
    """`run.json`, and the labels that it names."""
    if not path.is_file():
        return {}, None
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        return run, Labels.from_config(run["plan"]["labels"])
    except (OSError, ValueError, LookupError, TypeError, MedsegError) as error:
        raise InputError(path, f"says nothing of the labels ({error})", _MEND) from error


def _table(path: Path, **types: Any) -> pd.DataFrame:
    """A table whose text stays as it stands: an id 007 or NA is one."""
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], low_memory=False, **types)
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", _MEND) from error
