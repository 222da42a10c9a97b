"""The ledger itself: SQLite, one writer, readable while it is written."""

import errno
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medseg.errors import InputError, OutputError
from medseg.ledger.entries import DONE, FAILED, QUEUED, RUNNING, STATES, Entry, Planned, Run
from medseg.ledger.lock import Lock
from medseg.ledger.resuming import Todo

__all__ = ["NAME", "Ledger", "open_ledger", "read_ledger"]

NAME = "ledger.sqlite"
_FORMAT = 1
_JSON = {
    "images",
    "columns",
    "seconds",
    "warnings",
    "facts",
    "outputs",
    "asked",
    "settings",
    "tables",
    "versions",
    "machine",
}
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
_PLAN = tuple(field.name for field in fields(Planned))
_RESULT = tuple(field.name for field in fields(Entry) if field.name not in (*_PLAN, "attempts"))
_NOTHING: dict[str, Any] = {
    **{"seconds": {}, "peak_mib": None, "warnings": (), "error": "", "advice": "", "facts": {}},
    **{"count": None, "regions": None, "outputs": {}},
}
_SIGNS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


class Ledger:
    """Cases and runs of one OUT; each call is one transaction, whole or not at all.

    Args:
        path: The file.
        connection: To it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path, self._connection = path, connection
        connection.row_factory = sqlite3.Row

    def begin_run(self, run: Run) -> int:
        """Enter a run; its number."""
        values = {"began": _now(), **asdict(run)}
        names = ", ".join(values)
        with self._changing() as change:
            row = change(f"INSERT INTO runs ({names}) VALUES ({_marks(values)})", _stored(values))
        return int(row.lastrowid or 0)

    def end_run(self, number: int) -> None:
        """Say that a run came to its end, finished or interrupted."""
        with self._changing() as change:
            change("UPDATE runs SET ended = :ended WHERE run = :run", {"ended": _now(), "run": number})

    def enter(self, plans: Iterable[Planned], todo: Iterable[Todo]) -> None:
        """Enter the cases of a run: what is to be done is queued, all get their numbers; other cases have none then.

        Of a case that was entered before and is not to be done, what came of it stays.
        """
        described = ("number", "patient", "images", "columns")
        update = ", ".join(f"{name} = excluded.{name}" for name in described)
        names = ", ".join(f'"{name}"' for name in (*_PLAN, "state"))
        begin = ", ".join(f'"{name}" = :{name}' for name in (*_PLAN, "state", "attempts", *_NOTHING))
        marks = ", ".join(f":{name}" for name in (*_PLAN, "state"))
        insert = f'INSERT INTO cases ({names}) VALUES ({marks}) ON CONFLICT ("case") DO UPDATE SET {update}'
        with self._changing() as change:
            change("UPDATE cases SET number = NULL", {})
            for plan in plans:
                change(insert, _stored({**_fields(plan, _PLAN), "state": QUEUED}))
            for one in todo:
                values = {**_fields(one.plan, _PLAN), "state": QUEUED, "attempts": one.attempts, **_NOTHING}
                change(f'UPDATE cases SET {begin} WHERE "case" = :case', _stored(values))

    def begin(self, cases: Iterable[str]) -> None:
        """Each of the cases is being worked at, which is an attempt."""
        self._step(cases, RUNNING, +1)

    def lose(self, cases: Iterable[str]) -> None:
        """Each of the cases lost its attempt, and waits for another."""
        self._step(cases, QUEUED, 0)

    def give_back(self, cases: Iterable[str]) -> None:
        """Nothing came of the cases that was their fault: they wait, and keep their attempt."""
        self._step(cases, QUEUED, -1)

    def end(self, entry: Entry) -> None:
        """What came of a case, for good."""
        if entry.state not in (DONE, FAILED):
            raise ValueError(f"{entry.state} is no end")
        setting = ", ".join(f'"{name}" = :{name}' for name in _RESULT)
        with self._changing() as change:
            values = {**_stored(_fields(entry, ("case", *_RESULT))), "now": time.time()}
            change(f'UPDATE cases SET {setting}, changed = :now WHERE "case" = :case', values)

    def entries(self, *, listed: bool = True) -> Iterator[Entry]:
        """The cases of the last run in their order; with `listed=False` those of earlier runs, too."""
        which = "WHERE number IS NOT NULL ORDER BY number" if listed else 'ORDER BY number IS NULL, number, "case"'
        for row in self.ask(f"SELECT * FROM cases {which}"):
            yield _entry(row)

    def known(self) -> dict[str, Entry]:
        """Every case that was ever entered, by its id; without the tables of regions, which may be large."""
        names = ", ".join(f'"{field.name}"' for field in fields(Entry) if field.name != "regions")
        return {row["case"]: _entry(row) for row in self.ask(f"SELECT {names} FROM cases")}

    def counts(self) -> dict[str, int]:
        """Cases of the last run by their states."""
        found = self.ask("SELECT state, count(*) AS n FROM cases WHERE number IS NOT NULL GROUP BY state")
        return {row["state"]: row["n"] for row in found}

    def last_run(self) -> Run | None:
        """The run that was begun last."""
        row = next(iter(self.ask("SELECT * FROM runs ORDER BY run DESC LIMIT 1")), None)
        return None if row is None else Run(**_fields_of(row, Run))

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the first first: the fields of `Run`, and `run`, `began`, `ended` (UTC; None while it runs)."""
        return [
            {"run": row["run"], "began": row["began"], "ended": row["ended"], **_fields_of(row, Run)}
            for row in self.ask("SELECT * FROM runs ORDER BY run")
        ]

    def _step(self, cases: Iterable[str], state: str, attempts: int) -> None:
        with self._changing() as change:
            for case in cases:
                change(
                    'UPDATE cases SET state = :state, attempts = attempts + :more, changed = :now WHERE "case" = :case',
                    {"state": state, "more": attempts, "case": case, "now": time.time()},
                )

    def ask(self, question: str, values: Mapping[str, Any] | None = None) -> list[sqlite3.Row]:
        """Rows that a question in SQL, which changes nothing, is answered with.

        Raises:
            InputError: The ledger cannot be read.
        """
        try:
            return self._connection.execute(question, dict(values or {})).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error

    @contextmanager
    def _changing(self) -> Iterator[Any]:
        """One transaction.

        Raises:
            OutputError: It cannot be written; then nothing of it is.
        """
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection.execute
        except sqlite3.Error as error:
            raise _unwritable(self.path, error) from error


@contextmanager
def open_ledger(out: Path) -> Iterator[Ledger]:
    """The ledger of OUT to write to, made where there is none; OUT is this process's own meanwhile.

    Raises:
        OutputError: OUT cannot be written, or is in use by another process.
        InputError: The ledger is damaged, or of a newer medseg.
    """
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            mend = "Choose a folder that you may write to."
            raise OutputError(out, f"cannot be written ({error.strerror})", mend, error=error) from error
        stack.enter_context(Lock(out / "ledger.lock", out))
        path = out / NAME
        try:
            connection = sqlite3.connect(path, isolation_level=None, timeout=30)
        except sqlite3.Error as error:
            raise _unwritable(path, error) from error
        stack.callback(connection.close)
        _prepare(path, connection)
        yield Ledger(path, connection)
        with suppress(sqlite3.Error):  # somebody reads it; else one file is left, which any medium can hold
            connection.execute("PRAGMA journal_mode = DELETE")


@contextmanager
def read_ledger(out: Path) -> Iterator[Ledger]:
    """The ledger of OUT to look at, also while a run writes it.

    Raises:
        InputError: There is none, it is damaged, or of a newer medseg.
    """
    path = out / NAME
    if not path.is_file():
        raise InputError(out, f"holds no {NAME}", "Pass the folder that `medseg predict --out` wrote.")
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    try:
        _require_format(path, connection)
        yield Ledger(path, connection)
    finally:
        connection.close()


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """WAL, in which a killed writer loses nothing that was entered; NORMAL flushes the log at checkpoints alone.

    When the power fails the last entries may be lost, never the order: their cases are done again.
    """
    try:
        _require_format(path, connection)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_FORMAT}; COMMIT;")
    except sqlite3.DatabaseError as error:
        raise (_unwritable if isinstance(error, sqlite3.OperationalError) else _unreadable)(path, error) from error


def _require_format(path: Path, connection: sqlite3.Connection) -> None:
    try:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise _unreadable(path, error) from error
    if found > _FORMAT:
        raise InputError(path, f"is of format {found}", "Use the newer medseg that wrote it.", f"{_FORMAT} at most")


def _unwritable(path: Path, error: sqlite3.Error) -> OutputError:
    sign = _SIGNS.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
    cause = OSError(sign, str(error)) if sign else None
    return OutputError(path, f"cannot be written ({error})", "Make room, and see that it may be written.", error=cause)


def _unreadable(path: Path, error: sqlite3.Error) -> InputError:
    return InputError(path, f"cannot be read ({error})", "Remove it to begin anew; masks and tables stay.")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _fields(thing: Any, names: Iterable[str]) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _marks(values: Mapping[str, Any]) -> str:
    return ", ".join(f":{name}" for name in values)


def _stored(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as SQLite holds them."""
    return {
        name: value if isinstance(value, (str, bytes, int, float, type(None))) else json.dumps(value, default=_plain)
        for name, value in values.items()
    }


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _fields_of(row: sqlite3.Row, kind: type) -> dict[str, Any]:
    present = row.keys()
    return {field.name: _read(field.name, row) for field in fields(kind) if field.name in present}


def _read(name: str, row: sqlite3.Row) -> Any:
    """A value as it was: `settings` of a case is a hash, that of a run JSON."""
    value = row[name]
    return json.loads(value) if name in _JSON and not (name == "settings" and "case" in row.keys()) else value  # noqa: SIM118


def _entry(row: sqlite3.Row) -> Entry:
    values = _fields_of(row, Entry)
    for name in ("images", "warnings"):
        values[name] = tuple(values[name])
    values["outputs"] = {path: (size, sha) for path, (size, sha) in values["outputs"].items()}
    values["number"] = -1 if values["number"] is None else values["number"]
    return Entry(**values)
