"""Whether a process is at work in OUT; its lock is read, never touched, so that no writer is ever refused for it."""

import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Holder", "holder"]

_SLACK = 5.0  # seconds by which a network drive's clock may be behind


@dataclass(frozen=True)
class Holder:
    """The process that has OUT.

    Args:
        pid: Its number.
        host: The machine.
        here: Whether that is this machine, and so whether it lives is known; of another one its lock is believed.
        since: When it took OUT (UTC, ISO 8601); empty where its lock does not say it.
    """

    pid: int
    host: str
    here: bool
    since: str = ""

    def __str__(self) -> str:
        """In words."""
        return f"process {self.pid}" if self.here else f"process {self.pid} on {self.host} (as its lock says)"


def holder(out: Path) -> Holder | None:
    """The process that writes to OUT; None where there is none, or where the lock is left of one that is gone."""
    lock = out / "ledger.lock"
    with suppress(OSError, ValueError):
        pid, host, *since = lock.read_text(encoding="utf-8", errors="replace").split()
        found = Holder(int(pid), host, host == socket.gethostname(), "".join(since[:1]))
        if not found.here or _lives(found.pid, lock.stat().st_mtime):
            return found
    return None


def _lives(pid: int, since: float) -> bool:
    """Whether the process that wrote the lock is still there; a later one may have got its number."""
    import psutil

    try:
        process = psutil.Process(pid)
        return bool(process.create_time() <= since + _SLACK and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True
