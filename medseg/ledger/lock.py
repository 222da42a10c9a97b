"""One process at a time writes to a folder; a lock whose process is gone is nobody's."""

import errno
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from medseg.errors import OutputError

__all__ = ["Lock"]

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # of a file system that has none


class Lock:
    """Held while it is entered; the file goes with it, and after a crash the next one takes it over.

    The system's own lock on the file ends with its process however that ends. Where a file system has none, the
    process that is named in the file counts.

    Args:
        path: The file.
        what: What is locked, for the refusal.
    """

    def __init__(self, path: Path, what: Path) -> None:
        self._path, self._what = path, what
        self._fd = -1

    def __enter__(self) -> Self:
        """Take it.

        Raises:
            OutputError: Another process has it, or the file cannot be written.
        """
        try:
            self._fd = self._taken()
            os.ftruncate(self._fd, 0)
            since = datetime.now(UTC).isoformat(timespec="seconds")  # by the clock that a run's beginning is told by
            os.pwrite(self._fd, f"{os.getpid()} {socket.gethostname()} {since}\n".encode(), 0)
        except OSError as error:
            raise OutputError(
                self._what,
                f"cannot be written ({error.strerror})",
                "Choose a folder that you may write to.",
                error=error,
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._path.unlink(missing_ok=True)  # while it is held, so that nobody's else is removed
        except OSError:
            pass  # the folder is gone, and the lock with it
        finally:
            os.close(self._fd)

    def _taken(self) -> int:
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                self._lock(fd)
                if _same(fd, self._path):
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)  # removed by the one who had it, between our opening and locking

    def _lock(self, fd: int) -> None:
        try:
            _system_lock(fd)
        except BlockingIOError:
            raise self._refusal(fd) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            self._trust_the_name(fd)

    def _trust_the_name(self, fd: int) -> None:
        import psutil

        pid, host = _holder(fd)
        if pid and pid != os.getpid() and (host != socket.gethostname() or psutil.pid_exists(pid)):
            raise self._refusal(fd)

    def _refusal(self, fd: int) -> OutputError:
        pid, host = _holder(fd)
        where = "" if host in ("", socket.gethostname()) else f" on {host}"
        mend = f"Wait for it, or write elsewhere; if there is no such process, remove {self._path.name} in it."
        return OutputError(self._what, f"is in use by process {pid or 'unknown'}{where}", mend)


def _system_lock(fd: int) -> None:
    if sys.platform == "win32":
        raise OSError(errno.ENOLCK, "no such lock here")
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _same(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.stat())
    except FileNotFoundError:
        return False


def _holder(fd: int) -> tuple[int, str]:
    """Process and host that a lock names; 0 where it names none."""
    words = os.pread(fd, 300, 0).decode(errors="replace").split()
    return (int(words[0]), words[1]) if len(words) > 1 and words[0].isdigit() else (0, "")
