"""A process of the line as its parent sees it: messages go in, outcomes come out in their order, a crash costs one."""

import subprocess
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Self

from medseg.errors import MedsegError
from medseg.line.child import Raised, Start
from medseg.line.limits import Limits, Watch
from medseg.line.messages import receive, send
from medseg.line.process import FAREWELL, end_of, started
from medseg.line.spending import Spent

__all__ = ["Crashed", "Worker"]

_PREPARING = -1  # in place of a message's number
_OPENINGS = 3  # times that a process may end while it prepares


@dataclass(frozen=True)
class Crashed:
    """The process ended while it was at a message.

    Args:
        reason: How, in words.
        to_blame: Whether the message may be at fault; not where another one was over its time.
    """

    reason: str
    to_blame: bool = True


class Worker:
    """One process that does one thing to messages, in their order; a fresh one goes on where it crashes.

    The process is a plain interpreter, not one of `multiprocessing`, which would run the user's script once more.

    Args:
        start: What it does.
        watch: Keeps it to its limits.
    """

    def __init__(self, start: Start, watch: Watch | None = None) -> None:
        self._start = start
        self._watch = watch or Watch(Limits())
        self._waiting: deque[_Task] = deque()
        self._serial = count()
        self._openings = 0
        self.told: Any = None
        self.spent = Spent()
        self._process, self._pipe = started(start)
        self._prepared = start.prepare is None
        self._watch_next()

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

    def kept_to(self, watch: Watch, start: Start | None = None) -> Self:
        """Itself, with a watch from now on; and told so, if anything, where it has to begin anew."""
        self._watch.forget(self.pid)
        self._watch, self._start = watch, start or self._start
        self._watch_next()
        return self

    def gone(self) -> bool:
        """Whether its process has ended while it had nothing to do; then it is closed."""
        self._watch.forget(self.pid)  # before it is buried: the system may give its number to another
        if self._process.poll() is not None:
            self.close()
            return True
        self._watch_next()
        return False

    def prepare(self) -> Any:
        """What preparing told; waits for it.

        Raises:
            Exception: What preparing ended with.
            MedsegError: The process ended while it prepared, several times; or it took too much of what is limited.
        """
        while not self._prepared:
            self._take_prepared()
        return self.told

    def submit(self, message: Any, seconds: float | None = None) -> None:
        """Hand over a message, which may take so long."""
        self._waiting.append(_Task(next(self._serial), message, seconds))
        self._hand_over(message)
        if self._prepared and len(self._waiting) == 1:
            self._watch_next()

    def ready(self, seconds: float = 0.0) -> bool:
        """Whether an outcome is there.

        Raises:
            Exception: As `prepare` does, where a fresh process cannot prepare.
        """
        if not self._prepared and self._pipe.poll(seconds):
            self._take_prepared()
        return self._prepared and bool(self._waiting) and self._pipe.poll(seconds)

    def outcome(self) -> Any:
        """What became of the oldest message: the result, `Raised` or `Crashed`; waits for it. `spent` is its cost."""
        self.prepare()
        task = self._waiting.popleft()
        try:
            found, self.spent = receive(self._pipe)
        except (EOFError, OSError):
            culprit, why = self._watch.forget(self.pid)
            ended = end_of(self._process, self._pipe)
            self.spent = Spent()
            self._begin_anew()
            return Crashed(why or ended, culprit in (None, task.serial))
        self._watch_next()
        return found

    def close(self) -> None:
        """Let it end; what it has not answered is lost."""
        self._watch.forget(self.pid)
        self._pipe.close()
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def kill(self) -> None:
        """End it now."""
        self._watch.forget(self.pid)
        self._process.kill()
        self.close()

    def _take_prepared(self) -> None:
        try:
            found = receive(self._pipe)
        except (EOFError, OSError):
            _, why = self._watch.forget(self.pid)
            ended, self._openings = end_of(self._process, self._pipe), self._openings + 1
            name = self._start.name or self._start.function[0]
            if why:
                raise MedsegError(
                    name, f"could not begin: {why}", "Give it more, or look at what it waits for."
                ) from None
            if self._openings >= _OPENINGS:
                found = f"ended before it could begin, {_OPENINGS} times: {ended}"
                raise MedsegError(name, found, "Is there memory enough for the model?") from None
            self._begin_anew()
            return
        if isinstance(found, Raised):
            raise found.error
        self.told, self._prepared, self._openings = found.told, True, 0
        self._watch_next()

    def _begin_anew(self) -> None:
        self._process, self._pipe = started(self._start)
        self._prepared = self._start.prepare is None
        for task in self._waiting:
            self._hand_over(task.message)
        self._watch_next()

    def _watch_next(self) -> None:
        """The time of the oldest message begins, or first that of preparing."""
        self._watch.rest(self.pid)
        pipe = self._pipe
        if not self._prepared:
            self._watch.begin(self.pid, _PREPARING, self._watch.limits.opening, lambda: _answered(pipe))
        elif self._waiting:
            task = self._waiting[0]
            self._watch.begin(self.pid, task.serial, task.seconds, lambda: _answered(pipe))

    def _hand_over(self, message: Any) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it is gone, which `outcome` finds out
            send(self._pipe, message, self._start.shared)


@dataclass(frozen=True)
class _Task:
    serial: int
    message: Any
    seconds: float | None


def _answered(pipe: Connection) -> bool:
    try:
        return pipe.poll()
    except OSError:
        return True  # closed meanwhile
