"""The bytes of an HDF5 file on their way to its library, which a damaged heap of texts would keep busy for ever."""

import io
import re
from pathlib import Path
from typing import Any

__all__ = ["CheckedBytes"]

_HEAP = b"GCOL\1\0\0\0"  # a global heap: here are the texts of attributes; then follow its length and objects
_MARK = re.compile(re.escape(_HEAP))
_HEAD = 16  # bytes before the first object, and of the head of each
_LARGEST_READ = 1 << 21  # bytes; voxels may be read in larger pieces, heads are not


class CheckedBytes(io.FileIO):
    """A file, read-only, that h5py reads through.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "rb")

    def readinto(self, buffer: Any) -> int:
        """Bytes from where the file stands.

        Raises:
            OSError: They hold the beginning of a heap that is damaged.
        """
        start, got = self.tell(), super().readinto(buffer) or 0
        if got > _LARGEST_READ:
            return got
        before = max(start - len(_HEAP) + 1, 0)  # the mark may lie across two reads
        self.seek(before)
        across = super().read(start - before + min(got, len(_HEAP)))
        places = [before + one.start() for one in _MARK.finditer(across)]
        for at in places + [start + one.start() for one in _MARK.finditer(buffer, 0, got)]:
            self._check_heap(at)
        self.seek(start + got)
        return got

    def _check_heap(self, at: int) -> None:
        """Walk over the objects of a heap as HDF5 does; each must begin behind the one before and end inside."""
        here, end = at + _HEAD, at + self._number(at + 8)
        while here + _HEAD <= end:
            index, size = self._number(here) & 0xFFFF, self._number(here + 8)
            need = _HEAD + (size + 7) // 8 * 8 if index else size  # of the free space at the end, head and all
            if need < _HEAD or here + need > end:
                raise OSError("the heap of its texts is damaged")
            here += need

    def _number(self, at: int) -> int:
        self.seek(at)
        return int.from_bytes(super().read(8), "little")
