"""Voxels as a file stores them: what its size allows, and one read into their final place."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip, isal_zlib

from medseg import room
from medseg.errors import UnreadableFileError
from medseg.io.archive import open_binary, size_of

__all__ = ["LARGEST_RATIO", "Stretch", "native", "not_finite", "opened", "scaled"]

LARGEST_RATIO = 1100  # deflate cannot shrink more than 1032 times
_BROKEN_STREAM: type[Exception] = isal_zlib.error  # type: ignore[assignment]
_BLOCK = 1 << 20  # bytes or voxels
_GZIP_OR_ZLIB = 47


@contextmanager
def opened(path: Path, *, as_it_is: bool = False) -> Iterator[Any]:
    """The file, unpacked where its name says gzip; whatever goes wrong in reading becomes an error that names it."""
    compressed = path.name.lower().endswith((".gz", ".mgz")) and not as_it_is
    try:
        with open_binary(path) as plain, igzip.open(plain, "rb") if compressed else nullcontext(plain) as file:
            yield file
    except igzip.BadGzipFile as error:
        raise UnreadableFileError(
            path, f"is not gzip ({error})", "Rename it if it is not compressed, or fetch it again."
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except (OSError, EOFError, _BROKEN_STREAM) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where the volumes of a file lie, one after the other, each with its first axis fastest.

    Args:
        path: The file that holds the voxels; the whole of it is gzip where its name says so.
        dtype: Their type and byte order.
        offset: Of the first voxel, in bytes of the unpacked data.
        shape: Of one volume, (x, y[, z]).
        volumes: How many there are.
        packed_from: Where a gzip or zlib stream begins inside the file, in bytes; its name then says nothing.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    volumes: int = 1
    packed_from: int | None = None

    def read(self, volume: int = 0) -> np.ndarray:
        """One volume in native byte order; nothing is kept of the others, and an unpacked file's are not read.

        Raises:
            UnreadableFileError: The file is missing, damaged, or shorter than the volumes that it declares.
        """
        size = math.prod(self.shape) * self.dtype.itemsize
        with opened(self.path, as_it_is=self.packed_from is not None) as file:
            if self.packed_from is not None:
                file.seek(self.packed_from)
                file = _Inflater(file)
            ratio = LARGEST_RATIO if isinstance(file, (igzip.IGzipFile, _Inflater)) else 1
            if self.offset < 0 or self.offset + size * self.volumes > size_of(self.path) * ratio:
                self._refuse(f"is too short for {math.prod(self.shape) * self.volumes} voxels of {self.dtype}")
            voxels = room.empty((math.prod(self.shape),), self.dtype)
            file.seek(self.offset + volume * size)
            self._fill(file, voxels.data.cast("B"))
        return native(voxels).reshape(self.shape, order="F")

    def _fill(self, file: Any, buffer: memoryview) -> None:
        done = 0
        while done < len(buffer):
            got = file.readinto(buffer[done : done + _BLOCK])  # the checksum finds it in the cache
            if not got:
                self._refuse(f"ends after {done} of {len(buffer)} bytes of voxels")
            done += got
        file.readinto(bytearray(1))  # reaching the end makes gzip compare its checksum

    def _refuse(self, found: str) -> None:
        raise UnreadableFileError(self.path, found, "Fetch or export it again.")


class _Inflater:
    """A gzip or zlib stream that begins where an open file stands, read forwards."""

    def __init__(self, file: Any) -> None:
        self._file, self._stream = file, isal_zlib.decompressobj(_GZIP_OR_ZLIB)

    def readinto(self, buffer: Any) -> int:
        out = b""
        while not out and not self._stream.eof:
            packed = self._stream.unconsumed_tail or self._file.read(_BLOCK)
            out = self._stream.decompress(packed, len(buffer))
            if not packed and not out:
                raise EOFError("the compressed data end early")
        buffer[: len(out)] = out
        return len(out)

    def seek(self, offset: int) -> None:
        scratch = memoryview(bytearray(min(_BLOCK, offset)))
        while offset > 0:
            got = self.readinto(scratch[:offset])
            if not got:
                return  # the stream is whole, but shorter than that
            offset -= got


def native(array: np.ndarray) -> np.ndarray:
    """An array that nobody else holds, in native byte order, turned in place; extended floats become float64."""
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
    return array.astype(np.float64) if array.dtype.itemsize > 8 else array


def scaled(voxels: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """`voxels * slope + inter`, reckoned in float64 and kept in float32, a block at a time; the layout stays."""
    out = room.empty(voxels.shape, np.float32, "F" if voxels.flags.f_contiguous else "C")
    source, target = voxels.ravel(order="K"), out.ravel(order="K")
    with np.errstate(all="ignore"):  # what overflows becomes infinite, and is noted as such
        for start in range(0, source.size, _BLOCK):
            block = slice(start, start + _BLOCK)
            target[block] = source[block] * np.float64(slope) + inter
    return out


def not_finite(voxels: np.ndarray) -> tuple[str, ...]:
    """A note that counts what is NaN or infinite, if anything is."""
    if voxels.dtype.kind != "f" or np.isfinite([voxels.min(), voxels.max()]).all():
        return ()
    return (f"{voxels.size - np.count_nonzero(np.isfinite(voxels))} voxels are not finite",)
