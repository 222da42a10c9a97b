"""`pseudonyms.csv` beside the key: which case and patient a pseudonym stands for, for who may know it."""

import csv
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from medseg.atomic import atomic_path
from medseg.errors import OutputError, UnreadableFileError
from medseg.ledger import Lock

__all__ = ["FIRST", "NAME", "images_of", "keep", "known"]

NAME = "pseudonyms.csv"
FIRST = ("case", "patient", "original_case", "original_patient", "days", "images")
_PATIENCE = 30.0  # seconds for which another run may be at the table


def known(folder: Path) -> dict[str, dict[str, str]]:
    """The rows by the pseudonym of the case; none where there is no table yet.

    Raises:
        UnreadableFileError: It is no such table.
    """
    path = folder / NAME
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
            return {row["case"]: {name: text or "" for name, text in row.items()} for row in csv.DictReader(file)}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        mend = "Restore it from a copy; or move it away, and a new one is begun."
        raise UnreadableFileError(path, f"cannot be read ({error})", mend) from error


def images_of(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Where the images of a case are, by its pseudonym.

    Raises:
        UnreadableFileError: The table is missing, or is none.
    """
    path = folder / NAME
    rows = known(folder)
    if not rows:
        raise UnreadableFileError(path, "is not there, or empty", "It lies beside the key that the run was given.")
    try:
        return {case: tuple(map(Path, json.loads(row["images"]))) for case, row in rows.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableFileError(
            path, f"does not say where images are ({error})", "Restore it from a copy."
        ) from error


def keep(folder: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Add rows to the table, in place of older ones of the same cases; nobody but its owner may read it.

    Raises:
        OutputError: It cannot be written.
        UnreadableFileError: What is there is no such table.
    """
    with _alone(folder):
        before = known(folder)
        after = before | {row["case"]: dict(row) for row in rows}
        if after != before:
            _write(folder / NAME, after)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """With the table for ourselves; another run has it for a moment only."""
    end = time.monotonic() + _PATIENCE
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(Lock(folder / f".{NAME}.lock", folder / NAME))
                break
            except OutputError as error:
                if error.errno is not None or time.monotonic() > end:
                    raise
            time.sleep(0.1)
        yield


def _write(path: Path, rows: Mapping[str, Mapping[str, str]]) -> None:
    names = dict.fromkeys([*FIRST, *(name for row in rows.values() for name in row)])
    with atomic_path(path) as temporary:
        temporary.chmod(0o600)
        with temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            writer = csv.DictWriter(file, list(names), restval="", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows[case] for case in sorted(rows))
