"""`deidentified.csv` beside the key: whose each file was, for who may know it."""

import csv
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from medseg.errors import OutputError

__all__ = ["TABLE", "Original", "Originals"]

TABLE: Final = "deidentified.csv"


@dataclass(frozen=True)
class Original:
    """What a file said before; empty for a file that could not be read.

    Args:
        original_patient: Its PatientID.
        original_name: Its PatientName.
        days: By how many days its dates were moved; empty where they were not.
        original_study: Its StudyInstanceUID.
        original_series: Its SeriesInstanceUID.
        original_instance: Its SOPInstanceUID.
    """

    original_patient: str = ""
    original_name: str = ""
    days: str = ""
    original_study: str = ""
    original_series: str = ""
    original_instance: str = ""


class Originals:
    """The table, to which rows are added; nobody but its owner may read it.

    Use it as a context.

    Args:
        folder: Where the key lies.
    """

    _columns = ("source", "outcome", "file", "patient", "original", *(one.name for one in fields(Original)))

    def __init__(self, folder: Path) -> None:
        self.path = folder / TABLE

    def __enter__(self) -> Self:
        try:
            fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._file = os.fdopen(fd, "a", encoding="utf-8", errors="surrogateescape", newline="")
            self._rows = csv.DictWriter(self._file, self._columns, lineterminator="\n")
            if self._file.tell() == 0:
                self._rows.writeheader()
        except OSError as error:
            mend = "The table of originals lies beside the key: choose a place for both."
            raise OutputError(self.path, f"cannot be written ({error.strerror})", mend, error=error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, path: Path, names: tuple[str, str, str, str], original: Original) -> None:
        """Add a row; a later row of the same original replaces an earlier one.

        Args:
            path: The original file.
            names: Its pseudonym, what became of it, where it lies in the results, its patient's pseudonym.
            original: What it said.
        """
        source, outcome, file, patient = names
        known = {
            "source": source,
            "outcome": outcome,
            "file": file,
            "patient": patient,
            "original": str(path.absolute()),
        }
        self._rows.writerow(known | asdict(original))
        self._file.flush()
