"""What runs in a process of the line: one function, of one message after another, until its parent is gone."""

import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from medseg import room
from medseg.line.messages import receive, send

__all__ = ["Raised", "Start", "serve"]

_GRACE = 10.0  # seconds in which a process finishes the file that it is writing when its parent is gone


@dataclass(frozen=True)
class Start:
    """What a process is told first.

    Args:
        function: Its module and name.
        given: First argument of every call.
        spill_from: Bytes from which an array lies in a file of `spill`.
        spill: A folder; None for memory always.
    """

    function: tuple[str, str]
    given: Any = None
    spill_from: int = 0
    spill: Path | None = None

    def block(self, size: int) -> room.Block:
        """Memory for an array of so many bytes."""
        return room.Block.made(size, self.spill if size >= self.spill_from else None)


@dataclass(frozen=True)
class Raised:
    """An error that a call ended with."""

    error: Exception


def serve(fd: int, parent: int) -> None:
    """Answer every message at the pipe `fd`, in order; ends when the process `parent` does."""
    threading.Thread(target=_outlive, args=(parent,), daemon=True).start()
    pipe = Connection(fd)
    with suppress(EOFError, OSError):
        start: Start = pipe.recv()
        function = getattr(import_module(start.function[0]), start.function[1])
        with room.using(start.block):
            while True:
                # In one call, so that nothing of a case is held while the next one is waited for.
                _answer(pipe, start, function)


def _answer(pipe: Connection, start: Start, function: Callable[[Any, Any], Any]) -> None:
    message = receive(pipe)
    try:
        outcome = function(start.given, message)
    except Exception as error:  # goes to the parent, which knows what it means
        outcome = Raised(_portable(error))
    del message
    send(pipe, outcome, start.block)


def _portable(error: Exception) -> Exception:
    """The error itself where it can travel, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _outlive(parent: int) -> None:
    """End soon after the parent did, whatever is being done: it may be a decoder that never comes back."""
    while os.getppid() == parent:
        time.sleep(0.5)
    time.sleep(_GRACE)
    os._exit(1)
