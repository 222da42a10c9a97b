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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

__all__ = ["Block", "Shared", "block_of", "empty", "leader", "shareable", "spills", "using"]

Order = Literal["C", "F"]
_SMALL = 1 << 16  # bytes below which an array is not worth a mapping of its own
_ROOM: ContextVar["Shared | None"] = ContextVar("room", default=None)


def shareable() -> bool:
    """Whether processes of this system can hand one another memory without a name (POSIX)."""
    return os.name == "posix"


class Block(mmap.mmap):
    """Memory without a name that other processes can map through its file descriptor `fd`.

    An array that lies in a block keeps it alive; with the last such array its memory is given back.
    """

    fd: int
    spilled: bool

    def __new__(cls, fd: int, size: int, spilled: bool = False) -> "Block":
        """The memory behind a file descriptor, which belongs to the block from then on."""
        try:
            block = super().__new__(cls, fd, max(1, size))
        except (OSError, ValueError):
            os.close(fd)
            raise
        block.fd, block.spilled = fd, spilled
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
        return cls(fd, size, folder is not None)

    def array(self, shape: Sequence[int], dtype: npt.DTypeLike, order: Order = "C") -> np.ndarray:
        """An array at the start of the block."""
        return np.ndarray(tuple(shape), dtype, buffer=self, order=order)


@dataclass(frozen=True)
class Shared:
    """Room that other processes can map.

    Args:
        folder: Where arrays of more than `above` bytes lie in files without a name; None for memory always.
        above: Bytes.
        leader: Number of the process that leads the others, whose memory counts with theirs; None where there is none.
    """

    folder: Path | None = None
    above: int = 0
    leader: int | None = None

    def __call__(self, size: int) -> Block:
        """So many bytes."""
        return Block.made(size, self.folder if self.spills(size) else None)

    def spills(self, size: int) -> bool:
        """Whether so many bytes go into a file."""
        return self.folder is not None and size > self.above


def empty(shape: Sequence[int], dtype: npt.DTypeLike, order: Order = "C") -> np.ndarray:
    """An array to be filled, in the room of `using`; in plain memory where there is none, or the array is small."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    here = _ROOM.get()
    if here is None or size < _SMALL:
        return np.empty(tuple(shape), kind, order)
    return here(size).array(shape, kind, order)


@contextmanager
def using(shared: Shared | None) -> Iterator[None]:
    """Within the block, `empty` makes arrays there; None for plain memory."""
    token = _ROOM.set(shared)
    try:
        yield
    finally:
        _ROOM.reset(token)


def spills(size: int) -> bool:
    """Whether an array of so many bytes would lie in a file."""
    here = _ROOM.get()
    return here is not None and here.spills(size)


def leader() -> int | None:
    """The process that leads this one and others like it, if any."""
    here = _ROOM.get()
    return None if here is None or here.leader == os.getpid() else here.leader


def block_of(array: np.ndarray) -> Block | None:
    """The block in which an array, or the one that it is a view of, lies."""
    base: Any = array
    while base is not None and not isinstance(base, Block):
        base = base.obj if isinstance(base, memoryview) else getattr(base, "base", None)
    return base
