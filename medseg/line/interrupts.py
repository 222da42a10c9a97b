"""Ctrl-C and SIGTERM, heard only where nothing is lost by it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

__all__ = ["Interrupts", "Terminated"]


class Terminated(KeyboardInterrupt):
    """SIGTERM, as batch systems and services send it: the wish of Ctrl-C, with another exit code."""


class Interrupts:
    """While it is entered, Ctrl-C waits until the next `heard` block; after that, another one waits for nothing.

    So does SIGTERM. What comes too late for any such block is raised at the end. In another thread than the main one,
    and where somebody else has taken a signal, that one stays as it is.
    """

    def __init__(self) -> None:
        self._count, self._heard, self._raised = 0, False, False
        self._error: type[KeyboardInterrupt] = KeyboardInterrupt
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, nobody in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is nobody:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
        if error is None:
            self._raise_if_asked()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within the block, Ctrl-C raises KeyboardInterrupt at once, SIGTERM Terminated; so does one before it."""
        self._heard = True
        try:
            self._raise_if_asked()
            yield
        finally:
            self._heard = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        self._error = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        if self._heard or self._raised or self._count > 1:
            self._raise_if_asked()

    def _raise_if_asked(self) -> None:
        if self._count:
            self._count, self._raised = 0, True
            raise self._error
