"""The tables of the ledger, its format, and what becomes of a file of an older one."""

import sqlite3
from pathlib import Path

from medseg.errors import InputError
from medseg.ledger.entries import STATES
from medseg.ledger.faults import unreadable, unwritable

__all__ = ["FORMAT", "prepare", "require_format"]

FORMAT = 2
_TABLES = f"""
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, began TEXT NOT NULL, ended TEXT, command TEXT NOT NULL, model TEXT NOT NULL,
    settings_hash TEXT NOT NULL, plan_hash TEXT NOT NULL, asked TEXT NOT NULL, settings TEXT NOT NULL,
    tables TEXT NOT NULL, versions TEXT NOT NULL, machine TEXT NOT NULL DEFAULT '{{}}');
CREATE TABLE IF NOT EXISTS cases (
    "case" TEXT PRIMARY KEY, number INTEGER, patient TEXT NOT NULL, images TEXT NOT NULL, columns TEXT NOT NULL,
    fingerprint TEXT NOT NULL, model TEXT NOT NULL, settings TEXT NOT NULL, changed REAL,
    state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in STATES)})),
    attempts INTEGER NOT NULL DEFAULT 0, seconds TEXT NOT NULL DEFAULT '{{}}', peak_mib REAL,
    warnings TEXT NOT NULL DEFAULT '[]', error TEXT NOT NULL DEFAULT '', advice TEXT NOT NULL DEFAULT '',
    facts TEXT NOT NULL DEFAULT '{{}}', count INTEGER, regions BLOB, outputs TEXT NOT NULL DEFAULT '{{}}');
CREATE INDEX IF NOT EXISTS cases_by_number ON cases (number);
CREATE INDEX IF NOT EXISTS cases_by_state ON cases (state, changed, number);
"""
# What format 1 came to have, and its first files lack.
_ADDED = (("runs", "machine", "TEXT NOT NULL DEFAULT '{}'"), ("cases", "changed", "REAL"))
_MEND = "Remove it to begin anew; masks and tables stay."


def prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Make the tables, or those of an older format into ours; in one transaction.

    WAL, in which a killed writer loses nothing that was entered; NORMAL flushes the log at checkpoints alone: when the
    power fails the last entries may be lost, never the order, and their cases are done again.

    Raises:
        OutputError: The file cannot be written.
        InputError: It is damaged, of a newer medseg, or nobody's ledger.
    """
    try:
        _require_known(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        missing = _missing(connection) if _tables(connection) else []
        added = "".join(f"ALTER TABLE {table} ADD COLUMN {name} {kind};" for table, name, kind in missing)
        connection.executescript(f"BEGIN; {added} {_TABLES} PRAGMA user_version = {FORMAT}; COMMIT;")
    except sqlite3.DatabaseError as error:
        raise (unwritable if isinstance(error, sqlite3.OperationalError) else unreadable)(path, error) from error


def require_format(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse to read what has other columns than ours; a file without tables was made a moment ago.

    Raises:
        InputError: It is damaged, of a newer medseg, of one that is too old, or nobody's ledger.
    """
    try:
        _require_known(path, connection)
        if _tables(connection) and _missing(connection):
            mend = "`medseg status OUT --export` brings it to ours, and so does the same `medseg predict` command."
            raise InputError(path, "is of an older format", mend)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error


def _require_known(path: Path, connection: sqlite3.Connection) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise InputError(path, f"is of format {found}", "Use the newer medseg that wrote it.", f"{FORMAT} at most")
    tables = _tables(connection)
    if tables and (not found or not {"runs", "cases"} <= tables):
        raise InputError(path, f"is no ledger (tables {', '.join(sorted(tables))})", _MEND)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _missing(connection: sqlite3.Connection) -> list[tuple[str, str, str]]:
    there = {
        (table, column)
        for table in ("runs", "cases")
        for (_at, column, *_rest) in connection.execute(f"PRAGMA table_info({table})")
    }
    return [one for one in _ADDED if one[:2] not in there]
