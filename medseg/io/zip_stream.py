"""The content of one file in a zip as a stream that can be sought, inflated while it is read."""

import io
from pathlib import Path
from typing import Any

from isal import isal_zlib

from medseg.io.zip_checks import LOCAL, Member

__all__ = ["MemberStream"]

_BUFFER = 1 << 18


class MemberStream(io.RawIOBase):
    """The content of a member, forwards; what is longer than the zip says, or has another checksum, is an error.

    Args:
        path: The zip.
        member: Of it.

    Raises:
        OSError: The zip cannot be opened, or holds no file at that place.
    """

    def __init__(self, path: Path, member: Member) -> None:
        self._member = member
        self._file = path.open("rb")
        try:
            self._file.seek(member.at)
            head = self._file.read(LOCAL.size)
            if len(head) < LOCAL.size or head[:4] != b"PK\x03\x04":
                raise OSError(f"{member.name} is not where the zip says")
            _sign, name, extra = LOCAL.unpack(head)
        except BaseException:
            self._file.close()
            raise
        self._begin = member.at + LOCAL.size + name + extra
        self._rewind()

    def _rewind(self) -> None:
        self._file.seek(self._begin)
        self._left, self._at, self._crc = self._member.packed, 0, 0
        self._inflate: Any = isal_zlib.decompressobj(-15) if self._member.deflated else None

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is, by reading on, or anew from the first byte."""
        return True

    def tell(self) -> int:
        """How much was read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte, at most to the end."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._member.size}[whence]
        target = max(0, start + offset)
        if target < self._at:
            self._rewind()
        scratch = memoryview(bytearray(_BUFFER))
        while self._at < target and self.readinto(scratch[: target - self._at]):
            pass
        return self._at

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        view = view[: self._member.size - self._at]
        if not len(view):
            return 0
        found = self._next(len(view))
        if not found:
            raise EOFError(f"{self._member.name} ends early in the zip")
        view[: len(found)] = found
        self._at += len(found)
        self._crc = isal_zlib.crc32(found, self._crc)
        if self._at == self._member.size and self._crc != self._member.crc:
            raise OSError(f"{self._member.name} does not have the checksum that the zip tells")
        return len(found)

    def _next(self, most: int) -> bytes:
        if self._inflate is None:
            return self._packed(most)
        found = b""
        while not found and not self._inflate.eof:
            packed = self._inflate.unconsumed_tail or self._packed(_BUFFER)
            found = self._inflate.decompress(packed, most)
            if not packed and not found:
                break
        return bytes(found)

    def _packed(self, most: int) -> bytes:
        found = self._file.read(min(most, self._left))
        self._left -= len(found)
        return found

    def close(self) -> None:
        """Close the zip."""
        if not self.closed:
            self._file.close()
        super().close()
