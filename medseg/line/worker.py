"""A process of the line as its parent sees it: messages go in, outcomes come out in their order, a crash costs one."""

import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from medseg.line.child import Start
from medseg.line.messages import receive, send

__all__ = ["Crashed", "Worker"]

_CODE = "import sys; sys.path[:] = {path!r}; from medseg.line.child import serve; serve({fd}, {parent})"
_SILENT: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}  # what is printed may be JSON
_FAREWELL = 10.0  # seconds that a process gets to end by itself


@dataclass(frozen=True)
class Crashed:
    """The process ended while it was at a message."""

    reason: str


class Worker:
    """One process that does one thing to messages, in their order; a fresh one goes on where it crashes.

    The process is a plain interpreter, not one of `multiprocessing`, which would run the user's script once more.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._waiting: deque[Any] = deque()
        self._process, self._pipe = _started(start)

    @property
    def outstanding(self) -> int:
        """Messages whose outcome has not been taken."""
        return len(self._waiting)

    @property
    def pipe(self) -> Connection:
        """What becomes readable when an outcome, or the end of the process, is there; another one after a crash."""
        return self._pipe

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def submit(self, message: Any) -> None:
        """Hand over a message."""
        self._waiting.append(message)
        self._hand_over(message)

    def ready(self, seconds: float = 0.0) -> bool:
        """Whether an outcome is there."""
        return bool(self._waiting) and self._pipe.poll(seconds)

    def outcome(self) -> Any:
        """What became of the oldest message: the result, `Raised` or `Crashed`; waits for it."""
        self._waiting.popleft()
        try:
            return receive(self._pipe)
        except (EOFError, OSError):
            crashed = Crashed(self._ended())
            self._process, self._pipe = _started(self._start)
            for message in self._waiting:
                self._hand_over(message)
            return crashed

    def close(self) -> None:
        """Let it end; what it has not answered is lost."""
        self._pipe.close()
        try:
            self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self.close()

    def _hand_over(self, message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it is gone, which `outcome` finds out
            send(self._pipe, message, self._start.shared)

    def _ended(self) -> str:
        """How the process ended, in words."""
        self._pipe.close()
        try:
            code = self._process.wait(_FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        if code >= 0:
            return f"its process ended with exit code {code}"
        with suppress(ValueError):
            return f"its process was ended by {signal.Signals(-code).name}"
        return f"its process was ended by signal {-code}"


def _started(start: Start) -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = socket.socketpair()
    code = _CODE.format(path=sys.path, fd=theirs.fileno(), parent=os.getpid())
    with theirs, _deaf():
        process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[theirs.fileno()], **_SILENT)
    pipe = Connection(ours.detach())
    with suppress(OSError):
        pipe.send(start)
    return process, pipe


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes started within never hear Ctrl-C, which reaches all of a terminal: their parent ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
