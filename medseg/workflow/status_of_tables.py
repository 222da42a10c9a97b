"""How a batch stands that has no ledger, of an older medseg: what its tables say."""

import csv
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from medseg.errors import InputError
from medseg.ledger import NAME
from medseg.ledger.entries import DONE, FAILED
from medseg.ledger.summary import Failure
from medseg.workflow.status_facts import STAGES, Status, in_order, seconds_by_stage

__all__ = ["status_of_tables"]


def status_of_tables(out: Path) -> Status:
    """What `cases.csv` and `timings.csv` say.

    Raises:
        InputError: The folder has none, or they cannot be read.
    """
    if not (out / "cases.csv").is_file():
        found = f"holds neither {NAME} nor cases.csv" if out.is_dir() else "is no folder"
        raise InputError(out, found, "Name the folder that `medseg predict --out` writes.")
    rows = _rows(out / "cases.csv")
    if rows and not {"case", "status"} <= rows[0].keys():
        raise InputError(out / "cases.csv", "has no column case, or none status", "Name a folder that predict wrote.")
    counts: dict[str, int] = {}
    for row in rows:
        counts[row["status"]] = counts.get(row["status"], 0) + 1
    failures = [
        Failure(row["case"], tuple(row.get("images", "").split()), row.get("error", ""))
        for row in rows
        if row["status"] == FAILED
    ]
    began = datetime.fromtimestamp((out / "cases.csv").stat().st_mtime, UTC).isoformat(timespec="seconds")
    done = {row["case"] for row in rows if row["status"] == DONE}
    timed = _rows(out / "timings.csv") if (out / "timings.csv").is_file() else []
    spent = [_seconds(row) for row in timed if row.get("case") in done]
    return Status(
        out, "no ledger", ended=began, counts=in_order(counts), stages=seconds_by_stage(spent), failures=tuple(failures)
    )


def _seconds(row: Mapping[str, str]) -> dict[str, float]:
    stages = {f"{name}_s": name for name in STAGES} | {"seconds": "in all"}
    return {name: float(row[column]) for column, name in stages.items() if row.get(column)}


def _rows(path: Path) -> list[dict[str, str]]:
    """A table as text; an error in it may be longer than csv expects of a cell."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [{name: cell or "" for name, cell in row.items() if name} for row in csv.DictReader(file)]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "Name a folder that `medseg predict` wrote.") from error
