"""Whether tables, record and page of a batch are what its ledger comes to."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import error as ZlibError

from medseg.errors import InputError
from medseg.ledger import Ledger, Run, digest
from medseg.outputs.record import versions
from medseg.outputs.run_card import CARD, RECORD, card_page, completed, read_record

__all__ = ["TABLES", "Problem", "record_problems", "table_problems"]

TABLES = ("cases.csv", "regions.csv", "regions.parquet", "totals.csv", "patients.csv", "timings.csv")
_EXPORT = "`medseg status OUT --export` writes it anew."
_SAME = "Give the same `medseg predict` command again: it writes it anew."


@dataclass(frozen=True)
class Problem:
    """Something wrong.

    Args:
        kind: "missing", "changed", "half-written", "foreign", or "ledger".
        path: The file, below OUT.
        case: Whose it is; empty where it is of the whole.
        found: What is wrong with it, a clause.
        mend: What to do, a sentence.
    """

    kind: str
    path: str
    case: str
    found: str
    mend: str


def table_problems(out: Path, ledger: Ledger) -> tuple[list[Problem], list[str]]:
    """Tables that differ from what the ledger's rows come to, and notes.

    Raises:
        InputError: A row of the ledger cannot be read.
    """
    from medseg.batch import export

    problems = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            export(Path(folder), ledger)
        except (ValueError, LookupError, TypeError, AttributeError, EOFError, ZlibError) as error:
            found = f"has a row that cannot be read ({type(error).__name__}: {error})"
            raise InputError(ledger.path, found, "Remove it to begin anew; masks and tables stay.") from error
        wanted = {path.name: path for path in Path(folder).iterdir()}
        for name, path in sorted(wanted.items()):
            if (there := out / name).is_file():
                if not _alike(there, path):
                    found = "is not what the ledger's rows come to"
                    problems.append(Problem("changed", name, "", found, _EXPORT))
            else:
                problems.append(Problem("missing", name, "", "is not there", _EXPORT))
    for name in TABLES:
        if name not in wanted and (out / name).exists():
            problems.append(Problem("foreign", name, "", "is of another run: this one has no such table", "Remove it."))
    return problems, _other_version(ledger.last_run())


def _alike(one: Path, other: Path) -> bool:
    """Whether two tables are the same: byte by byte, or, of Parquet by another pyarrow, value by value."""
    if one.read_bytes() == other.read_bytes():
        return True
    if one.suffix != ".parquet":
        return False
    import pandas as pd

    try:
        return pd.read_parquet(one).equals(pd.read_parquet(other))
    except (OSError, ValueError):
        return False


def _other_version(run: Run | None) -> list[str]:
    here, then = versions()["medseg"], "" if run is None else run.versions.get("medseg", "")
    if not then or then == here:
        return []
    return [f"The run was made by medseg {then}; this is {here}, whose tables and page may differ in their form"]


def record_problems(out: Path, ledger: Ledger) -> Iterator[Problem]:
    """What of `run.json` and `run.html` is not what the ledger says of the last run."""
    run = ledger.last_run()
    if run is None:
        return
    ended = bool(ledger.runs()[-1]["ended"])
    if not (out / RECORD).is_file():
        yield Problem("missing", RECORD, "", "is not there", _SAME)
        return
    try:
        record = read_record(out)
    except InputError as error:
        yield Problem("changed", RECORD, "", str(error), _SAME)
        return
    settings = {name: value for name, value in run.settings.items() if name != "threads"}
    said = {"command": run.command, "model_sha256": run.model, "settings": settings, "versions": dict(run.versions)}
    differ = [name for name, value in said.items() if record.get(name) != value]
    differ += ["plan"] * (digest(record.get("plan")) != run.plan_hash)
    whole = completed(record, ledger)
    differ += [name for name in ("inputs", "counts") if (ended or name in record) and record.get(name) != whole[name]]
    if differ:
        mend = _EXPORT if set(differ) <= {"inputs", "counts"} else _SAME
        yield Problem("changed", RECORD, "", f"says another {', '.join(differ)} than the ledger", mend)
    elif ended:
        yield from _page_problems(out, card_page(record, ledger), bool(_other_version(run)))


def _page_problems(out: Path, wanted: str, other_version: bool) -> Iterator[Problem]:
    path = out / CARD
    if not path.is_file():
        yield Problem("missing", CARD, "", "is not there", _EXPORT)
    elif not other_version and path.read_bytes() != wanted.encode():
        yield Problem("changed", CARD, "", "is not what the ledger and run.json come to", _EXPORT)
