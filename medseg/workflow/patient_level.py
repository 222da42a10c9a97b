"""The patient table of a folder that predict or measure wrote, with a clinical table of the user's."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from medseg.atomic import json_text, write_csv
from medseg.errors import InputError
from medseg.labels import Labels
from medseg.ledger import read_ledger
from medseg.regions import join_clinical, patient_table
from medseg.regions.patient_columns import ALL_OF_PATIENT, STUDY_DATE
from medseg.regions.patients import Several

__all__ = ["JOINED", "Patients", "patients"]

JOINED = "patients_joined.csv"
_NUMBERS = ("volume_ml", "area_mm2", "area_px", "longest_axial_mm", "longest_axial_px")


@dataclass(frozen=True, eq=False)
class Patients:
    """What `patients` gives.

    Args:
        folder: Whose tables it was made of.
        table: A row a patient, study date and label; `medseg.regions.patient_columns` says what the columns mean, and
            further ones are of the case table and of the clinical one.
        without_row: Patients (and dates) whom the clinical table does not have.
        without_patient: Keys of clinical rows that nobody here has.
        notes: What a user should look at, a sentence each.
        name: Of its file: that of the table that `predict` and `measure` write, where it is the same, else its own.
    """

    folder: Path
    table: pd.DataFrame
    without_row: tuple[tuple[str, ...], ...] = ()
    without_patient: tuple[tuple[str, ...], ...] = ()
    notes: tuple[str, ...] = field(default=())
    name: str = "patients.csv"

    def save(self, path: str | Path | None = None) -> Path:
        """Write the table as CSV; where no path is given, in its folder, never over a table that says another thing.

        Raises:
            OutputError: It cannot be written.
        """
        written = self.folder / self.name if path is None else Path(path)
        write_csv(written, self.table)
        return written

    def to_json(self) -> str:
        """Rows, keys without a partner and notes as JSON; an empty cell is null."""
        rows = self.table.astype(object).where(self.table.notna(), None).to_dict("records")
        keys = {"without_row": self.without_row, "without_patient": self.without_patient}
        return json_text({"patients": rows, **keys, "notes": self.notes}, sort_keys=False)

    def _repr_html_(self) -> str:
        return self.table.to_html(index=False, na_rep="")


def patients(
    folder: str | Path,
    clinical: str | Path | None = None,
    *,
    key: str | Sequence[str] = "patient",
    date: str = STUDY_DATE,
    several: Several = "mean",
) -> Patients:
    """Make the patient table again of the tables in a folder, and join a clinical table to it.

    Args:
        folder: What `predict` wrote, or `measure` of a data set: `regions.csv`, `totals.csv` and `cases.csv`.
        clinical: A CSV with a row a patient, or a patient and study date.
        key: Its column with the patient, and that with the date where it has one: ("patient", "date").
        date: Column of `cases.csv` with the study date.
        several: What several cases of one patient and date come to: their "mean", or their "sum" where no lesion is
            in two of them.

    Raises:
        InputError: The folder lacks a table, there is no such date column, or the clinical table does not fit; see
            `medseg.regions.join_clinical`.
    """
    folder = Path(folder)
    cases, regions = _cases(folder, date), _regions(folder)
    names, exclusive = _labels(folder)
    table = patient_table(regions, cases, names, exclusive=exclusive, date=date, several=several)
    name = "patients.csv" if (clinical, date, several) == (None, STUDY_DATE, "mean") else JOINED
    if clinical is None:
        return Patients(folder, table, notes=tuple(_dates(table)), name=name)
    joined = join_clinical(table, Path(clinical), [key] if isinstance(key, str) else list(key))
    notes = (*_dates(table), *joined.notes)
    return Patients(folder, joined.table, joined.without_row, joined.without_patient, notes, name)


def _cases(folder: Path, date: str) -> pd.DataFrame:
    cases = _text_table(folder / "cases.csv", ("case", "patient", "status"))
    if date != STUDY_DATE and date not in cases:
        raise InputError(folder / "cases.csv", f"has no column {date!r}", "Name one.", ", ".join(cases.columns))
    return cases


def _regions(folder: Path) -> pd.DataFrame:
    """The columns that the patient table is made of; ids are text, whatever they look like."""
    table = _text_table(folder / "regions.csv", ("case", "label"))
    wanted = ["case", "label", *(name for name in (*_NUMBERS, "organ") if name in table)]
    return table[wanted].assign(**{name: pd.to_numeric(table[name]) for name in _NUMBERS if name in table})


def _labels(folder: Path) -> tuple[list[str], bool]:
    """Names of the labels, and whether they exclude another.

    Measuring a data set leaves no record of its labels but its own patient table, which has no row of all labels
    where they overlap.
    """
    with suppress(InputError), read_ledger(folder) as ledger:
        run = ledger.last_run()
        if run is not None and "labels" in run.tables:
            return list(run.tables["labels"]), bool(run.tables.get("exclusive", True))
    record = folder / "run.json"  # of a medseg that kept no ledger
    if record.is_file():
        labels = Labels.from_config(json.loads(record.read_text(encoding="utf-8"))["plan"]["labels"])
        return list(labels.names), labels.exclusive
    names = list(dict.fromkeys(_text_table(folder / "totals.csv", ("case", "label"))["label"]))
    before = folder / "patients.csv"
    rows = set(_text_table(before, ("label",))["label"]) if before.is_file() else {ALL_OF_PATIENT}
    return names, ALL_OF_PATIENT in rows or len(rows) < 2


def _text_table(path: Path, needed: Sequence[str]) -> pd.DataFrame:
    """A table whose cells are text as they stand: an id 007 or NA stays one."""
    mend = "Name a folder that `medseg predict` (without --masks-only) or `medseg measure DATASET` wrote."
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(path, f"cannot be read ({error})", mend) from error
    if absent := [name for name in needed if name not in table]:
        raise InputError(path, f"lacks the column {', '.join(absent)}", mend)
    return table


def _dates(table: pd.DataFrame) -> list[str]:
    several = table.loc[table["cases"] > 1, ["patient", STUDY_DATE]].drop_duplicates()
    if several.empty:
        return []
    first = ", ".join(several["patient"].head(5)) + (" ..." if len(several) > 5 else "")
    return [f"{len(several)} patients or studies have several cases ({first}): see the column `note`"]
