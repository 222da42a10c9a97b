"""What runs in a process of the line: one function, of one message after another, until its parent is gone."""

import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import Connection
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
        shared: Where large arrays lie.
    """

    function: tuple[str, str]
    given: Any = None
    shared: room.Shared = field(default_factory=room.Shared)


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
        with room.using(start.shared):
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
    try:
        send(pipe, outcome, start.shared)
    except (BrokenPipeError, ConnectionResetError):
        raise  # nobody listens
    except Exception as error:  # it cannot be pickled, or there is no room for it
        send(pipe, Raised(_portable(error)), start.shared)


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
