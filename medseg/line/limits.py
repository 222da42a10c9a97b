"""What one case may take of a worker, and the watch that keeps workers to it."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from medseg.errors import ConfigError

__all__ = ["Limits", "Watch", "seconds_of"]

_PERIOD = 0.2  # seconds between two looks
_OPENING = 300.0  # seconds that a model may take to open, where less is given for a case
_UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Limits:
    """What a case may take.

    Args:
        attempts: How often it may take its process down with it, or be lost with the run.
        timeout: Seconds of work in all.
        memory: Bytes that a worker may hold while it is at it, resident.
    """

    attempts: int = 2
    timeout: float | None = None
    memory: int | None = None

    @property
    def opening(self) -> float | None:
        """Seconds that opening a model may take."""
        return None if self.timeout is None else max(self.timeout, _OPENING)

    @property
    def kill(self) -> bool:
        """Whether there is a limit that only killing a process keeps."""
        return self.timeout is not None or self.memory is not None


def seconds_of(text: str | float) -> float:
    """Seconds of "30min", "90 s", "2h" or a number.

    Raises:
        ConfigError: It is no such time.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", str(text).lower())
    if found is None or found[2] not in _UNITS or float(found[1]) <= 0:
        raise ConfigError("timeout", f"{text!r} is no time", "Write it as 30min, 90s or 2h.")
    return float(found[1]) * _UNITS[found[2]]


@dataclass
class _Watched:
    task: int
    until: float | None
    answered: Callable[[], bool]


class Watch:
    """A thread that kills workers which go beyond the limits; it only starts where there are any.

    Args:
        limits: What a case may take.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lock = threading.Lock()
        self._watched: dict[int, _Watched] = {}
        self._killed: dict[int, tuple[int | None, str]] = {}
        self._ended = threading.Event()
        if limits.kill:
            threading.Thread(target=self._look_on, daemon=True).start()

    def begin(self, pid: int, task: int, seconds: float | None, answered: Callable[[], bool]) -> None:
        """A worker is at a task from now on, which may take so long; `answered` tells that it was done."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._lock:
            self._watched[pid] = _Watched(task, until, answered)

    def rest(self, pid: int) -> None:
        """A worker has nothing to do."""
        with self._lock:
            self._watched.pop(pid, None)

    def forget(self, pid: int) -> tuple[int | None, str]:
        """A worker is gone: the task for which it was killed (None for its memory alone), and why, or ""."""
        with self._lock:
            self._watched.pop(pid, None)
            return self._killed.pop(pid, (None, ""))

    def close(self) -> None:
        """End the thread."""
        self._ended.set()

    def _look_on(self) -> None:
        while not self._ended.wait(_PERIOD):
            with self._lock:  # so that nobody buries a process, whose number the system then gives to another
                for pid, watched in list(self._watched.items()):
                    self._look_at(pid, watched, time.monotonic())

    def _look_at(self, pid: int, watched: _Watched, now: float) -> None:
        if pid in self._killed:
            return
        if watched.until is not None and now > watched.until and not watched.answered():
            self._kill(pid, watched.task, "it took longer than --timeout allows")
        elif self.limits.memory is not None and _resident(pid) > self.limits.memory:
            self._kill(pid, None, "its process held more memory than --memory-limit allows")

    def _kill(self, pid: int, task: int | None, why: str) -> None:
        self._killed[pid] = task, why
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _resident(pid: int) -> int:
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
