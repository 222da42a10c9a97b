"""The tables of a batch, written from its ledger: the same bytes however the run went, but for `timings.csv`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from medseg.atomic import as_utf8, write_csv
from medseg.batch.predictions import Predictions
from medseg.ledger import Entry, Ledger
from medseg.ledger.entries import DONE, ENDED
from medseg.line.outcomes import CASE_COLUMNS, described
from medseg.line.packing import unpacked
from medseg.outputs.tables import write_table
from medseg.regions import case_table, empty_table, patient_table

__all__ = ["export"]

_STAGES = ("reading", "network", "writing")


def export(out: Path, ledger: Ledger) -> Predictions:
    """Write `cases.csv`, `regions.csv`, `totals.csv`, `patients.csv` and `timings.csv` of what is finished.

    Where the run was asked for it, `regions.parquet` too, which keeps types and every digit.

    Args:
        out: Where to.
        ledger: With a run in it; its cases are in the tables, in their order.

    Raises:
        OutputError: A table cannot be written.
        MissingExtraError: `regions.parquet` needs the extra `parquet`.
    """
    run = ledger.last_run()
    told = {} if run is None else run.tables
    labels, masks_only = told.get("labels", []), bool(told.get("masks_only"))
    entries = [entry for entry in ledger.entries() if entry.state in ENDED]
    rows = [_row(entry) for entry in entries]
    columns = dict.fromkeys([*CASE_COLUMNS, *(name for row in rows for name in row)])
    cases = pd.DataFrame(rows, columns=list(columns)).astype({"regions": "Int64"})
    regions = _regions(entries)
    measured = [entry.case for entry in entries if entry.regions is not None]
    totals = case_table(regions, measured, labels)
    patients = patient_table(
        regions, cases.iloc[:0] if masks_only else cases, labels, exclusive=bool(told.get("exclusive", True))
    )
    write_csv(out / "cases.csv", cases)
    for name, table in (("regions.csv", regions), ("totals.csv", totals), ("patients.csv", patients)):
        if masks_only:
            (out / name).unlink(missing_ok=True)  # of an earlier run, whose masks are replaced
        else:
            write_csv(out / name, table)
    if told.get("parquet") and not masks_only:
        write_table(out / "regions.parquet", regions)
    else:
        (out / "regions.parquet").unlink(missing_ok=True)
    write_csv(out / "timings.csv", _timings(entries))
    return Predictions(out, cases, regions, totals, patients)


def _row(entry: Entry) -> dict[str, Any]:
    row: dict[str, Any] = {"case": entry.case, "patient": entry.patient, "images": as_utf8(" ".join(entry.images))}
    row = described(described(row, entry.columns), entry.facts)
    if entry.state != DONE:
        return {**row, "status": entry.state, "error": entry.error}
    return {**row, "status": DONE, "regions": entry.count, "warnings": "; ".join(entry.warnings)}


def _regions(entries: Sequence[Entry]) -> pd.DataFrame:
    """All rows; where there are none, the columns of a case that was measured."""
    tables = [unpacked(entry.regions) for entry in entries if entry.regions is not None]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else (tables or [empty_table()])[0]


def _timings(entries: Sequence[Entry]) -> pd.DataFrame:
    rows = [
        {
            "case": entry.case,
            "seconds": sum(entry.seconds.values()),
            **{f"{stage}_s": entry.seconds.get(stage) for stage in _STAGES},
            "attempts": entry.attempts,
            "peak_mib": entry.peak_mib,
        }
        for entry in entries
    ]
    columns = ["case", "seconds", *(f"{stage}_s" for stage in _STAGES), "attempts", "peak_mib"]
    return pd.DataFrame(rows, columns=columns).astype({"attempts": "Int64"})
