"""What runs in a process of the line: one function, of one message after another, until its parent is gone."""

import ctypes
import os
import pickle
import signal
import sys
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
from medseg.line.spending import spending

__all__ = ["Prepared", "Raised", "Start", "portable", "serve"]

_GRACE = 10.0  # seconds, where the system cannot end a process with its parent
_PDEATHSIG = 1  # Linux, <sys/prctl.h>


@dataclass(frozen=True)
class Start:
    """What a process is told first.

    Args:
        function: Its module and name.
        given: First argument of every call.
        shared: Where large arrays lie.
        prepare: Module and name of what is called once, of `given`, before the first message: it gives the first
            argument of every call instead, and something to tell the parent (`Prepared`).
        name: What it is called in an error.
    """

    function: tuple[str, str]
    given: Any = None
    shared: room.Shared = field(default_factory=room.Shared)
    prepare: tuple[str, str] | None = None
    name: str = ""


@dataclass(frozen=True)
class Prepared:
    """What preparing told."""

    told: Any


@dataclass(frozen=True)
class Raised:
    """An error that a call ended with."""

    error: Exception


def serve(fd: int, parent: int) -> None:
    """Answer every message at the pipe `fd`, in order; ends when the process `parent` does."""
    _die_with_parent()
    threading.Thread(target=_outlive, args=(parent,), daemon=True).start()
    pipe = Connection(fd)
    with suppress(EOFError, OSError):
        start: Start = pipe.recv()
        function = _named(start.function)
        with room.using(start.shared):
            given = start.given if start.prepare is None else _prepared(pipe, start)
            while True:
                # In one call, so that nothing of a case is held while the next one is waited for.
                _answer(pipe, start, function, given)


def _named(function: tuple[str, str]) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module(function[0]), function[1])
    return found


def _prepared(pipe: Connection, start: Start) -> Any:
    assert start.prepare is not None
    try:
        given, told = _named(start.prepare)(start.given)
    except Exception as error:
        send(pipe, Raised(portable(error)), start.shared)
        raise EOFError from error  # there is nothing that could be answered
    send(pipe, Prepared(told), start.shared)
    return given


def _answer(pipe: Connection, start: Start, function: Callable[[Any, Any], Any], given: Any) -> None:
    message = receive(pipe)
    outcome: Any
    with spending() as spent:
        try:
            outcome = function(given, message)
        except Exception as error:  # goes to the parent, which knows what it means
            outcome = Raised(portable(error))
    del message
    try:
        send(pipe, (outcome, spent), start.shared)
    except (BrokenPipeError, ConnectionResetError):
        raise  # nobody listens
    except Exception as error:  # it cannot be pickled, or there is no room for it
        send(pipe, (Raised(portable(error)), spent), start.shared)


def portable(error: Exception) -> Exception:
    """The error itself where it can travel, else one that says the same."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever anybody's exception does when it is taken apart and put together
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _die_with_parent() -> None:
    """Have the system end this process when its parent is killed: what goes on then must find nobody writing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)


def _outlive(parent: int) -> None:
    """End soon after the parent did, whatever is being done: it may be a decoder that never comes back."""
    while os.getppid() == parent:
        time.sleep(0.5)
    time.sleep(_GRACE)
    os._exit(1)
