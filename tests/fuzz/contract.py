"""What every file must keep to, whatever its bytes are: read or refused by name, soon, in bounded memory, silently."""

import contextlib
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from medseg.errors import MedsegError

__all__ = ["LARGEST_RATIO", "SECONDS", "SLACK", "Outcome", "ViolationError", "kept"]

SECONDS = 5.0  # for all the ways of reading one input of at most some hundred kilobytes
LARGEST_RATIO = 2100  # bytes of memory for one byte of input: what deflate can unfold, and a copy of it
SLACK = 192 << 20  # bytes that a small input may take in any case
_OWN = "medseg"


class ViolationError(AssertionError):
    """A file broke the contract.

    Args:
        kind: "leaked", "unnamed", "slow", "memory" or "printed".
        place: What tells this fault from another: the exception and the line of medseg that let it through.
        detail: The traceback, or the figures.
    """

    def __init__(self, kind: str, place: str, detail: str) -> None:
        super().__init__(f"{kind}: {place}\n{detail}")
        self.kind, self.place = kind, place

    @property
    def signature(self) -> str:
        """A name for files: equal for equal faults."""
        return "".join(c if c.isalnum() else "-" for c in f"{self.kind}-{self.place}")[:100]


@dataclass(frozen=True)
class Outcome:
    """What one input took: seconds, bytes of memory at most, and how many of its readings were refused."""

    seconds: float
    peak: int
    refused: int


def kept(readings: list[Callable[[], object]], names: tuple[str, ...], size: int, chatty: bool = False) -> Outcome:
    """Run each way of reading one input.

    Args:
        readings: Each opens the input through a public function.
        names: Errors must hold one of them.
        size: Bytes of the input.
        chatty: A library in C that cannot be silenced may print; Python's warnings may not.

    Raises:
        ViolationError: The contract is broken.
    """
    began, memory, refused = time.perf_counter(), _Memory(), 0
    with _captured() as printed:
        for reading in readings:
            try:
                reading()
            except MedsegError as error:
                refused += 1
                if not any(name in str(error) for name in names):
                    raise ViolationError("unnamed", _place(error), str(error)) from error
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # some libraries in Rust panic with what is no Exception
                raise ViolationError("leaked", _place(error), traceback.format_exc()) from error
    seconds, peak = time.perf_counter() - began, memory.grown()
    if printed and not (chatty and "Warning" not in printed[0]):
        raise ViolationError("printed", re.sub(r"\W+|\d+|0x\S+", " ", printed[0].strip())[:40], printed[0][:2000])
    if seconds > SECONDS:
        raise ViolationError("slow", "", f"{seconds:.1f} s for {size} bytes")
    if peak > SLACK + LARGEST_RATIO * size:
        raise ViolationError("memory", "", f"{peak >> 20} MiB for {size} bytes")
    return Outcome(seconds, peak, refused)


class _Memory:
    """How far the resident memory rises above its present size."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak is counted from here
        self._before = self._read("VmRSS")

    def grown(self) -> int:
        """Bytes; 0 where the system does not say."""
        return max(0, self._read("VmHWM") - self._before)

    def _read(self, field: str) -> int:
        with contextlib.suppress(OSError), Path("/proc/self/status").open() as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith(field)), 0)
        return 0


@contextlib.contextmanager
def _captured() -> Iterator[list[str]]:
    """What Python and the libraries in C write to both outputs meanwhile; the list is filled at the end."""
    printed: list[str] = []
    sys.stdout.flush()
    sys.stderr.flush()
    file = _catcher()
    saved = os.dup(1), os.dup(2)
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    try:
        yield printed
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in enumerate(saved, start=1):
            os.dup2(copy, number)
            os.close(copy)
        if size := file.seek(0, os.SEEK_END):
            file.seek(0)
            printed.append(file.read(size).decode("utf-8", "replace"))
            file.seek(0)
            file.truncate()


_CATCHER: list[IO[bytes]] = []


def _catcher() -> IO[bytes]:
    if not _CATCHER:
        _CATCHER.append(tempfile.TemporaryFile())  # noqa: SIM115  (one for the life of the process)
    return _CATCHER[0]


def _place(error: BaseException) -> str:
    """The exception, and the last line of medseg that it passed."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}{_OWN}{os.sep}" in frame.filename
    ]
    last = f"{Path(frames[-1].filename).name}:{frames[-1].name}" if frames else "?"
    return f"{type(error).__name__} in {last}"
