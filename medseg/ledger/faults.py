"""What SQLite reports, as errors that say what to do."""

import errno
import sqlite3
from pathlib import Path

from medseg.errors import InputError, OutputError

__all__ = ["unreadable", "unwritable"]

_SIGNS = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


def unwritable(path: Path, error: sqlite3.Error) -> OutputError:
    """With the system's own number, where there is one: a full disk is waited for."""
    sign = _SIGNS.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
    cause = OSError(sign, str(error)) if sign else None
    return OutputError(path, f"cannot be written ({error})", "Make room, and see that it may be written.", error=cause)


def unreadable(path: Path, error: sqlite3.Error) -> InputError:
    """Of a file that is damaged or none of ours."""
    return InputError(path, f"cannot be read ({error})", "Remove it to begin anew; masks and tables stay.")
