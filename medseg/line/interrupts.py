"""Ctrl-C, heard only where nothing is lost by it."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Self

__all__ = ["Interrupts"]


class Interrupts:
    """While it is entered, Ctrl-C waits until the next `heard` block; after that, another one waits for nothing.

    In another thread than the main one, and where somebody else has taken the signal, everything stays as it is.
    """

    def __init__(self) -> None:
        self._count, self._heard, self._taken, self._raised = 0, False, False, False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._taken = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._taken:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Within the block, Ctrl-C raises KeyboardInterrupt at once; so does one that came before it."""
        self._heard = True
        try:
            self._raise_if_asked()
            yield
        finally:
            self._heard = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._heard or self._raised or self._count > 1:
            self._raise_if_asked()

    def _raise_if_asked(self) -> None:
        if self._count:
            self._count, self._raised = 0, True
            raise KeyboardInterrupt
