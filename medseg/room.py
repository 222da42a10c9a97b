"""Where large arrays are put: in plain memory, in memory that another process can map, or in a file.

Whoever fills a large array that may be handed on (a reader its voxels, a segmenter its mask) asks `empty` for it.
Nothing is ever left behind: neither a piece of shared memory nor a file on disk has a name, so that the system takes
them back when the last process that holds them ends, however it ends.
"""

import mmap
import os
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Block", "block_of", "empty", "shareable", "using"]

Order = Literal["C", "F"]
Room = Callable[[int], "Block | None"]
_SMALL = 1 << 16  # bytes below which an array is not worth a mapping of its own
_ROOM: ContextVar[Room | None] = ContextVar("room", default=None)


def shareable() -> bool:
    """Whether processes of this system can hand one another memory without a name (POSIX)."""
    return os.name == "posix"


class Block(mmap.mmap):
    """Memory without a name that other processes can map through its file descriptor `fd`.

    An array that lies in a block keeps it alive; with the last such array its memory is given back.
    """

    fd: int

    def __new__(cls, fd: int, size: int) -> "Block":
        """The memory behind a file descriptor, which belongs to the block from then on."""
        try:
            block = super().__new__(cls, fd, max(1, size))
        except (OSError, ValueError):
            os.close(fd)
            raise
        block.fd = fd
        weakref.finalize(block, os.close, fd)
        return block

    @classmethod
    def made(cls, size: int, folder: Path | None = None) -> "Block":
        """New memory, zeros; with a folder a file in it that has no name, whose pages leave memory when it is short.

        Raises:
            OSError: There is no room.
        """
        size = max(1, size)
        if folder is None and sys.platform == "linux":
            # Not in /dev/shm, which containers keep as small as 64 MB.
            fd = os.memfd_create("medseg")
        else:
            with tempfile.TemporaryFile(dir=folder) as file:
                fd = os.dup(file.fileno())
        try:
            if folder is not None and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, size)  # a full disk is an error here, and a killed process later
            else:
                os.ftruncate(fd, size)
        except OSError:
            os.close(fd)
            raise
        return cls(fd, size)

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike, order: Order = "C") -> np.ndarray:
        """An array at the start of the block."""
        return np.ndarray(tuple(shape), dtype, buffer=self, order=order)


def empty(shape: Sequence[int], dtype: npt.DTypeLike, order: Order = "C") -> np.ndarray:
    """An array to be filled, in the room of `using`; in plain memory where there is none, or the array is small."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    room = _ROOM.get()
    block = room(size) if room is not None and size >= _SMALL else None
    return np.empty(tuple(shape), kind, order) if block is None else block.array(shape, kind, order)


@contextmanager
def using(room: Room | None) -> Iterator[None]:
    """Within the block, `empty` asks `room(bytes)`; where that gives None, the array lies in plain memory."""
    token = _ROOM.set(room)
    try:
        yield
    finally:
        _ROOM.reset(token)


def block_of(array: np.ndarray) -> Block | None:
    """The block in which an array, or the one that it is a view of, lies."""
    base: Any = array
    while base is not None and not isinstance(base, Block):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base
