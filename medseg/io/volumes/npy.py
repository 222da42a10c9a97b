"""The `.npy` encoding of one array: its header by a grammar of plain numbers, its values mapped or unpacked."""

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from medseg import room
from medseg.errors import UnreadableFileError
from medseg.io.volumes.stored import native

__all__ = ["Header", "inflated", "mapped", "read_header"]

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 10_000
_BLOCK = 1 << 20
_TYPE = re.compile(r"'descr'\s*:\s*'([<>|=]?(?:b1|[iu][1248]|f[248]))'")
_ORDER = re.compile(r"'fortran_order'\s*:\s*(True|False)")
_SHAPE = re.compile(r"'shape'\s*:\s*\(([\d\s,L]{0,200})\)")


@dataclass(frozen=True, slots=True)
class Header:
    """What an array declares: shape, type, order of its axes ("C" or "F"), and where its values begin (bytes)."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    order: Literal["C", "F"]
    offset: int

    @property
    def size(self) -> int:
        """Bytes from the start of the header to the end of the values."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def read_header(where: Path, file: IO[bytes]) -> Header:
    """The header at the start of a file or member.

    Whatever else Python could write there (objects, text, records) is refused: nothing is evaluated or unpickled.

    Raises:
        UnreadableFileError: It is no NumPy array, or not one of real numbers.
    """
    start = file.read(12)
    if start[:6] != _MAGIC or len(start) < 12:
        raise UnreadableFileError(where, "is not a NumPy array", "Save it with numpy.save.")
    first, width = (10, 2) if start[6] == 1 else (12, 4)  # version 1 has a shorter field for the length
    length = int.from_bytes(start[8 : 8 + width], "little")
    if not 12 - first <= length <= _LONGEST_HEADER:
        raise UnreadableFileError(where, f"declares a header of {length} bytes", "Save it with numpy.save.")
    words = (start[first:] + file.read(length - (12 - first))).decode("latin-1")
    kind, order, shape = _TYPE.search(words), _ORDER.search(words), _SHAPE.search(words)
    if not (kind and order and shape):
        raise UnreadableFileError(
            where, "holds objects, text or records", "Save plain numbers with numpy.save.", "an array of real numbers"
        )
    lengths = tuple(int(number) for number in re.findall(r"\d+", shape[1]))
    return Header(lengths, np.dtype(kind[1]), "F" if order[1] == "True" else "C", first + length)


def mapped(path: Path, header: Header) -> np.ndarray:
    """The values of a file, memory-mapped and read-only; a copy where their byte order is not the machine's.

    Raises:
        UnreadableFileError: The file is shorter than it declares, or cannot be mapped.
    """
    try:
        if header.size > path.stat().st_size:
            raise UnreadableFileError(path, f"is too short for its shape {header.shape}", "Fetch or export it again.")
        values = np.memmap(str(path), header.dtype, "r", header.offset, header.shape, header.order)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error
    return values if header.dtype.isnative else values.astype(header.dtype.newbyteorder("="))


def inflated(where: Path, member: IO[bytes], header: Header) -> np.ndarray:
    """The values of an open member, at its start, unpacked straight into their place.

    Raises:
        UnreadableFileError: It ends early.
    """
    flat = room.empty((math.prod(header.shape),), header.dtype)
    buffer, done = flat.data.cast("B"), 0
    member.read(header.offset)
    while done < len(buffer):
        got = member.read(min(_BLOCK, len(buffer) - done))
        if not got:
            raise UnreadableFileError(where, f"ends after {done} of {len(buffer)} bytes", "Save it again.")
        buffer[done : done + len(got)] = got
        done += len(got)
    member.read(1)  # reaching the end makes zipfile compare its checksum
    return native(flat).reshape(header.shape, order=header.order)
