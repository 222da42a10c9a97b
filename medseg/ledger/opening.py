"""Open the ledger of a folder: to write to, as the only one; or to look at, also while another process writes."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from medseg.errors import InputError, OutputError
from medseg.ledger.faults import unreadable, unwritable
from medseg.ledger.lock import Lock
from medseg.ledger.schema import prepare, require_format
from medseg.ledger.store import Ledger

__all__ = ["NAME", "open_ledger", "read_ledger"]

NAME = "ledger.sqlite"


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
            raise unwritable(path, error) from error
        stack.callback(connection.close)
        prepare(path, connection)
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
        raise unreadable(path, error) from error
    try:
        require_format(path, connection)
        yield Ledger(path, connection)
    finally:
        connection.close()
