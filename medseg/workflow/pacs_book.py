"""What a batch that lives from an archive has to remember beside its ledger: studies that are done, results sent."""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from medseg.errors import OutputError
from medseg.ledger.lock import Lock

__all__ = ["FOLDER", "Book", "open_book", "read_book"]

FOLDER = "archive"  # below OUT: this book, what is fetched or received at the moment, and what came broken
_NAME = "book.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS studies (
    study TEXT PRIMARY KEY, purpose TEXT NOT NULL, cases TEXT NOT NULL, instances TEXT NOT NULL, told TEXT NOT NULL,
    done REAL NOT NULL);
CREATE TABLE IF NOT EXISTS sent (
    node TEXT NOT NULL, path TEXT NOT NULL, sha TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (node, path, sha));
"""
_OLDER = "SELECT study, cases FROM studies WHERE purpose = ? AND done < ?"
Result = tuple[str, str]  # path below OUT, SHA-256


class Book:
    """SQLite, for any thread of one process; each call is one transaction that is on the disk when it returns.

    Args:
        path: The file.
        connection: To it.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path, self._connection, self._lock = path, connection, threading.Lock()

    def done(self, purpose: str) -> dict[str, list[str]]:
        """The cases of each study that was done for a purpose."""
        rows = self._do("SELECT study, cases FROM studies WHERE purpose = ? ORDER BY rowid", (purpose,))
        return {study: json.loads(cases) for study, cases in rows}

    def enter(
        self, study: str, purpose: str, cases: Iterable[str], instances: Iterable[str] = (), told: str = ""
    ) -> None:
        """A study is done: its cases are in the ledger, finished or failed.

        Args:
            study: It.
            purpose: What for.
            cases: Of it.
            instances: That it had.
            told: How many instances the archive said that it has, with those that we did not want.
        """
        values = (study, purpose, json.dumps(sorted(cases)), json.dumps(sorted(instances)), told, time.time())
        self._do("INSERT OR REPLACE INTO studies VALUES (?, ?, ?, ?, ?, ?)", values)

    def told(self, study: str) -> str:
        """How many instances the archive said that a study has, when it was last looked at."""
        rows = self._do("SELECT told FROM studies WHERE study = ?", (study,))
        return rows[0][0] if rows else ""

    def retell(self, study: str, told: str) -> None:
        """The archive says another number, and it was looked why."""
        self._do("UPDATE studies SET told = ? WHERE study = ?", (told, study))

    def instances(self, study: str) -> set[str]:
        """The instances that a study had when it was done; none where it was not."""
        rows = self._do("SELECT instances FROM studies WHERE study = ?", (study,))
        return set(json.loads(rows[0][0])) if rows else set()

    def older(self, purpose: str, moment: float) -> dict[str, list[str]]:
        """The cases of each study that was done for a purpose before a moment, in seconds since 1970."""
        return {study: json.loads(cases) for study, cases in self._do(_OLDER, (purpose, moment))}

    def unsent(self, node: str, results: Mapping[str, str]) -> list[str]:
        """The paths of those results, given with their SHA-256, that a node has not got from us."""
        rows = self._do("SELECT path, sha FROM sent WHERE node = ?", (node,))
        return sorted(path for path, _ in results.items() - {(path, sha) for path, sha in rows})

    def send(self, node: str, results: Iterable[Result]) -> None:
        """A node has those results."""
        values = [(node, path, sha, time.time()) for path, sha in results]
        with self._transaction():
            self._connection.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?)", values)

    def _do(self, order: str, values: tuple[object, ...]) -> list[tuple[str, ...]]:
        with self._transaction():
            return self._connection.execute(order, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with self._lock, self._connection:
                yield
        except sqlite3.Error as error:
            raise OutputError(self._path, f"cannot be written ({error})", "Is there room on its disk?") from error


@contextmanager
def open_book(out: Path) -> Iterator[Book]:
    """The book of OUT, made where there is none; this process's own meanwhile.

    Raises:
        OutputError: It cannot be written, is damaged, or in use by another process.
    """
    path = out / FOLDER / _NAME
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(Lock(path.with_suffix(".lock"), out))
            connection = sqlite3.connect(path, timeout=30, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(path, f"cannot be written ({error})", "Choose a folder that you may write to.") from error
        stack.callback(connection.close)
        try:
            connection.executescript(f"PRAGMA synchronous = FULL; {_TABLES}")
        except sqlite3.DatabaseError as error:
            mend = "Remove it: all is done again, and nothing is stored twice."
            raise OutputError(path, f"is damaged ({error})", mend) from error
        yield Book(path, connection)


@contextmanager
def read_book(out: Path) -> Iterator[Book | None]:
    """The book of OUT to look at, also while a batch writes it; None where there is none.

    Raises:
        OutputError: It is damaged.
    """
    path = out / FOLDER / _NAME
    if not path.is_file():
        yield None
        return
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", timeout=30, uri=True)) as connection:
        yield Book(path, connection)
