"""Objects from one process to another: what is small through a pipe, large arrays by the memory in which they lie."""

import io
import pickle
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle, send_handle
from typing import Any

import numpy as np

from medseg.room import Block, block_of

__all__ = ["MAPPED_FROM", "receive", "send"]

MAPPED_FROM = 1 << 16  # bytes; smaller arrays travel quicker with the rest of their message
_THROUGH_PIPE = 1 << 10  # bytes; of so small messages a pipe holds all that are ever on their way


def send(to: Connection, message: Any, block: Callable[[int], Block] = Block.made) -> None:
    """Send an object; the arrays in it keep their layout, and those that lie in a `Block` already are not copied.

    Args:
        to: One end of a duplex pipe of this machine.
        message: Whatever can be pickled.
        block: Makes the memory for arrays that lie elsewhere.

    Raises:
        OSError: The other side is gone, or there is no memory.
    """
    buffer, blocks = io.BytesIO(), dict[int, Block]()
    _Packer(buffer, blocks, block).dump(message)
    content = buffer.getvalue()
    if len(content) >= _THROUGH_PIPE:  # so that two processes that write at once never wait for one another to read
        written = block(len(content))
        written.write(content)
        blocks[id(written)], content = written, b""
    to.send((content, buffer.tell(), [(len(one), one.spilled) for one in blocks.values()]))
    for one in blocks.values():
        send_handle(to, one.fd, None)


def receive(source: Connection) -> Any:
    """What `send` sent.

    Raises:
        EOFError: The other side is gone.
        OSError: The same, in the midst of a message.
    """
    packed, length, sizes = source.recv()
    blocks = [Block(recv_handle(source), size, spilled) for size, spilled in sizes]
    packed = packed or blocks.pop()[:length]
    return _Unpacker(io.BytesIO(packed), blocks).load()


class _Packer(pickle.Pickler):
    """Leaves large arrays out and collects the blocks in which they lie."""

    def __init__(self, file: io.BytesIO, blocks: dict[int, Block], block: Callable[[int], Block]) -> None:
        super().__init__(file, protocol=5)
        self._blocks, self._block = blocks, block

    def persistent_id(self, thing: Any) -> Any:
        """Which block, and where in it and how, an array lies; None for anything else."""
        if not isinstance(thing, np.ndarray) or thing.nbytes < MAPPED_FROM or thing.dtype.hasobject:
            return None
        home = block_of(thing)
        if home is None:
            home, thing = self._placed(thing)
        self._blocks.setdefault(id(home), home)
        number = list(self._blocks).index(id(home))
        start = thing.__array_interface__["data"][0] - np.frombuffer(home, np.uint8).ctypes.data
        return number, start, thing.shape, thing.strides, thing.dtype.str

    def _placed(self, array: np.ndarray) -> tuple[Block, np.ndarray]:
        """A copy in a new block, its axes in the same order in memory."""
        home = self._block(array.nbytes)
        slowest_first = sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis]))
        straight = home.array([array.shape[axis] for axis in slowest_first], array.dtype)
        copy = straight.transpose(np.argsort(slowest_first))
        copy[...] = array
        return home, copy


class _Unpacker(pickle.Unpickler):
    """Puts the arrays back, each a view of its block."""

    def __init__(self, file: io.BytesIO, blocks: list[Block]) -> None:
        super().__init__(file)
        self._blocks = blocks

    def persistent_load(self, place: Any) -> np.ndarray:
        """The array of a `persistent_id`."""
        number, start, shape, strides, dtype = place
        return np.ndarray(shape, np.dtype(dtype), self._blocks[number], start, strides)
