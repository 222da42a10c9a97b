"""Start an interpreter that serves its parent, and tell how it ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from medseg.line.child import Start

__all__ = ["FAREWELL", "end_of", "started"]

FAREWELL = 10.0  # seconds that a process gets to end by itself
_CODE = "import sys; sys.path[:] = {path!r}; from medseg.line.child import serve; serve({fd}, {parent})"
_SILENT: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}  # what is printed may be JSON


def started(start: Start) -> tuple[subprocess.Popen[bytes], Connection]:
    """A process that serves, and the pipe to it."""
    ours, theirs = socket.socketpair()
    code = _CODE.format(path=sys.path, fd=theirs.fileno(), parent=os.getpid())
    with theirs, _deaf():
        process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[theirs.fileno()], **_SILENT)
    pipe = Connection(ours.detach())
    with suppress(OSError):
        pipe.send(start)
    return process, pipe


def end_of(process: subprocess.Popen[bytes], pipe: Connection) -> str:
    """How a process ended that answers no more, in words; it is killed where it did not."""
    pipe.close()
    try:
        code = process.wait(FAREWELL)
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    if code >= 0:
        return f"its process ended with exit code {code}"
    with suppress(ValueError):
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process was ended by signal {-code}"


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within never hear Ctrl-C, nor SIGTERM, which reach all of a group: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
