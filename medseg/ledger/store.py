"""The ledger itself: SQLite, one writer, readable while it is written."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medseg.ledger.entries import ENDED, QUEUED, RUNNING, Entry, Planned, Run
from medseg.ledger.faults import unreadable, unwritable
from medseg.ledger.resuming import Todo
from medseg.ledger.rows import entry_of, fields_named, marks, stored, values_of

__all__ = ["Ledger"]

_PLAN = tuple(field.name for field in fields(Planned))
_RESULT = tuple(field.name for field in fields(Entry) if field.name not in (*_PLAN, "attempts"))
_NOTHING: dict[str, Any] = {
    **{"seconds": {}, "peak_mib": None, "warnings": (), "error": "", "advice": "", "facts": {}},
    **{"count": None, "regions": None, "outputs": {}},
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
            row = change(f"INSERT INTO runs ({names}) VALUES ({marks(values)})", stored(values))
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
                change(insert, stored({**fields_named(plan, _PLAN), "state": QUEUED}))
            for one in todo:
                values = {**fields_named(one.plan, _PLAN), "state": QUEUED, "attempts": one.attempts, **_NOTHING}
                change(f'UPDATE cases SET {begin} WHERE "case" = :case', stored(values))

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
        if entry.state not in ENDED:
            raise ValueError(f"{entry.state} is no end")
        setting = ", ".join(f'"{name}" = :{name}' for name in _RESULT)
        with self._changing() as change:
            values = {**stored(fields_named(entry, ("case", *_RESULT))), "now": time.time()}
            change(f'UPDATE cases SET {setting}, changed = :now WHERE "case" = :case', values)

    def entries(self, *, listed: bool = True) -> Iterator[Entry]:
        """The cases of the last run in their order; with `listed=False` those of earlier runs, too."""
        which = "WHERE number IS NOT NULL ORDER BY number" if listed else 'ORDER BY number IS NULL, number, "case"'
        for row in self.ask(f"SELECT * FROM cases {which}"):
            yield entry_of(row)

    def known(self) -> dict[str, Entry]:
        """Every case that was ever entered, by its id; without the tables of regions, which may be large."""
        names = ", ".join(f'"{field.name}"' for field in fields(Entry) if field.name != "regions")
        return {row["case"]: entry_of(row) for row in self.ask(f"SELECT {names} FROM cases")}

    def counts(self) -> dict[str, int]:
        """Cases of the last run by their states."""
        found = self.ask("SELECT state, count(*) AS n FROM cases WHERE number IS NOT NULL GROUP BY state")
        return {row["state"]: row["n"] for row in found}

    def last_run(self) -> Run | None:
        """The run that was begun last."""
        row = next(iter(self.ask("SELECT * FROM runs ORDER BY run DESC LIMIT 1")), None)
        return None if row is None else Run(**values_of(row, Run))

    def runs(self) -> list[dict[str, Any]]:
        """All runs, the first first: the fields of `Run`, and `run`, `began`, `ended` (UTC; None while it runs)."""
        return [
            {"run": row["run"], "began": row["began"], "ended": row["ended"], **values_of(row, Run)}
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
            raise unreadable(self.path, error) from error

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
            raise unwritable(self.path, error) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
