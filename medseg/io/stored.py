"""Voxels as a file stores them: which volume of several, what its size allows, and one read into their final place."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from isal import igzip, isal_zlib

from medseg import address
from medseg.errors import GeometryError, InputError, UnreadableFileError
from medseg.options import ReadOptions

__all__ = ["LARGEST_RATIO", "Stretch", "chosen_volume", "native", "not_finite", "opened", "scaled"]

LARGEST_RATIO = 1100  # deflate cannot shrink more than 1032 times
_BROKEN_STREAM: type[Exception] = isal_zlib.error  # type: ignore[assignment]
_BLOCK = 1 << 20  # bytes or voxels


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, unpacked where its name says gzip; whatever goes wrong in reading becomes an error that names it."""
    compressed = path.name.lower().endswith((".gz", ".mgz"))
    try:
        with igzip.open(path, "rb") if compressed else path.open("rb") as file:
            yield file
    except igzip.BadGzipFile as error:
        raise UnreadableFileError(
            path, f"is not gzip ({error})", "Rename it if it is not compressed, or fetch it again."
        ) from error
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except (OSError, EOFError, _BROKEN_STREAM) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error


def chosen_volume(
    where: Path, volumes: int, inside: str, options: ReadOptions | None, example: Path | None = None
) -> int:
    """Which of the volumes of a file to read, from 0: the one its address names, else the one the options name.

    Args:
        where: The file.
        volumes: How many it holds.
        inside: The number that follows in its address, "" for none.
        options: `frame` counts where the address names none.
        example: An address of the first volume, where it is not plainly `where:/0`.

    Raises:
        GeometryError: There are several and none is named.
        InputError: The one that is named does not exist.
    """
    if inside and not (inside.isascii() and inside.isdecimal() and len(inside) < 10):
        raise InputError(address.join(where, inside), "is no volume of the file", "Name it by its number, from 0.")
    wanted = int(inside) if inside else options.frame if options else None
    if wanted is None and volumes > 1:
        raise GeometryError(
            where,
            f"holds {volumes} volumes",
            f"Pick one, from 0 to {volumes - 1}: --frame 0, or the address {example or address.join(where.name, '0')}.",
            "one",
        )
    if not 0 <= (wanted or 0) < volumes:
        choices = f"from 0 to {volumes - 1}" if volumes > 1 else "0, or none"
        raise InputError(where, f"holds {volumes} volume(s) and no volume {wanted}", f"Pick {choices}.")
    return wanted or 0


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where the volumes of a file lie, one after the other, each with its first axis fastest.

    Args:
        path: The file that holds the voxels, by name gzip or not.
        dtype: Their type and byte order.
        offset: Of the first voxel, in bytes of the unpacked file.
        shape: Of one volume, (x, y, z).
        volumes: How many there are.
    """

    path: Path
    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]
    volumes: int = 1

    def read(self, volume: int = 0) -> np.ndarray:
        """One volume in native byte order; nothing is kept of the others, and an unpacked file's are not read.

        Raises:
            UnreadableFileError: The file is missing, damaged, or shorter than the volumes that it declares.
        """
        size = math.prod(self.shape) * self.dtype.itemsize
        with opened(self.path) as file:
            ratio = 1 if type(file) is not igzip.IGzipFile else LARGEST_RATIO
            if self.offset < 0 or self.offset + size * self.volumes > self.path.stat().st_size * ratio:
                self._refuse(f"is too short for {math.prod(self.shape) * self.volumes} voxels of {self.dtype}")
            voxels = np.empty(math.prod(self.shape), self.dtype)
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
        file.read(1)  # reaching the end makes gzip compare its checksum

    def _refuse(self, found: str) -> None:
        raise UnreadableFileError(self.path, found, "Fetch or export it again.")


def native(array: np.ndarray) -> np.ndarray:
    """An array that nobody else holds, in native byte order, turned in place; extended floats become float64."""
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
    return array.astype(np.float64) if array.dtype.itemsize > 8 else array


def scaled(voxels: np.ndarray, slope: float, inter: float) -> np.ndarray:
    """`voxels * slope + inter`, reckoned in float64 and kept in float32, a block at a time; the layout stays."""
    out = np.empty_like(voxels, dtype=np.float32)
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
