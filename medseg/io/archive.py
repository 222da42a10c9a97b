"""Files inside a zip, read as they lie there: nothing is unpacked to a disk, nor inflated before it is asked for."""

import io
import re
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, cast

from isal import isal_zlib

from medseg import address
from medseg.errors import UnreadableFileError

__all__ = ["Member", "is_archive", "members", "open_binary", "size_of", "split_member"]

_MARK = ".zip:/"
_BUFFER = 1 << 18
_LARGEST_DIRECTORY = 64 << 20  # bytes of the zip's own list, of some 100 for a file
_SMALL = 64 << 20  # what a member may become in any case ...
_MEMBER_RATIO = 1100  # ... and beyond, how many times its size: deflate cannot shrink more than 1032 times
_SMALL_IN_ALL = 1 << 30
_RATIO = 100  # of all members against the zip: images are shrunk to a half or a fifth, as a rule
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_OTHER_WAYS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 98: "PPMd"}
_LOCAL = struct.Struct("<4s22xHH")
_END = struct.Struct("<4s8xII")  # of the end record: the length of the list, and where it begins
_LINK = 0o120000
_MAKE_AGAIN = "Make the zip again from the study's own folder."
_HOSTILE = "Do not trust it: have the study sent again."


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a zip.

    Args:
        name: Its path in the zip.
        size: Bytes of it, inflated.
        packed: Bytes of it in the zip.
        at: Where its own header begins.
        deflated: Whether it is compressed.
        crc: The checksum of its content.
    """

    name: str
    size: int
    packed: int
    at: int
    deflated: bool
    crc: int


def is_archive(path: Path) -> bool:
    """Whether a name is that of a zip."""
    return path.name.lower().endswith(".zip")


def split_member(path: Path) -> tuple[Path, str] | None:
    """The zip, and the name in it, of an address inside one; `None` for any other path."""
    if _MARK not in str(path).lower():
        return None
    outer, inside = address.split(path)
    return (outer, inside) if inside and is_archive(outer) else None


def open_binary(path: Path) -> BinaryIO:
    """A file, or a member of a zip, to read from its first byte on; a member is inflated while it is read.

    Raises:
        OSError: It is missing or cannot be opened.
        UnreadableFileError: The zip is refused, see `members`.
    """
    found = split_member(path)
    if found is None:
        return path.open("rb")
    stream = _Stream(found[0], _member(path, *found))
    return cast(BinaryIO, io.BufferedReader(stream, _BUFFER))


def size_of(path: Path) -> int:
    """Bytes of a file, or of a member of a zip once it is inflated.

    Raises:
        OSError: It is missing.
        UnreadableFileError: The zip is refused, see `members`.
    """
    found = split_member(path)
    return path.stat().st_size if found is None else _member(path, *found).size


def members(path: Path) -> Mapping[str, Member]:
    """The files in a zip by their names there, in the order of the names; hidden ones and macOS's own are left out.

    Only the list at its end is read.

    Raises:
        UnreadableFileError: It is no zip, or damaged. Or it is refused as a whole: a member is encrypted, compressed
            in a rare way, a link, there twice, laid over another, or named so that it would lie outside the folder;
            or its members would become far more than any image does.
    """
    try:
        found = path.stat()
        return _listed(path, found.st_size, found.st_mtime_ns)
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", "Fetch or export it again.") from error


def _member(path: Path, outer: Path, name: str) -> Member:
    try:
        return members(outer)[name]
    except KeyError:
        raise FileNotFoundError(f"{path}: the zip has no such file") from None


@lru_cache(maxsize=4)  # of a zip that is read, the list is asked for with every slice
def _listed(path: Path, size: int, stamp: int) -> Mapping[str, Member]:
    _check_directory(path, size)
    try:
        with zipfile.ZipFile(path) as whole:
            infos = whole.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(path, f"is no zip, or damaged ({error})", "Fetch or make it again.") from error
    found: dict[str, Member] = {}
    for info in sorted(infos, key=lambda info: info.filename):
        _check_name(path, info)
        if info.is_dir():
            continue
        _check_content(path, info)
        if info.filename in found:
            raise UnreadableFileError(path, f"holds {info.filename!r} twice", _MAKE_AGAIN)
        deflated = info.compress_type == _DEFLATED
        one = Member(info.filename, info.file_size, info.compress_size, info.header_offset, deflated, info.CRC)
        found[one.name] = one
    _check_all(path, size, list(found.values()))
    return {name: one for name, one in found.items() if not _hidden(name)}


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _check_directory(path: Path, size: int) -> None:
    """Refuse a list that would fill the memory before a single member is known."""
    with path.open("rb") as file:
        file.seek(max(0, size - (1 << 16) - 22))
        tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(tail):
        raise UnreadableFileError(path, "is no zip, or cut off", "Fetch or make it again.")
    length = _END.unpack_from(tail, at)[1]
    zip64 = tail.rfind(b"PK\x06\x06", 0, at)
    if length == 0xFFFFFFFF and zip64 >= 0 and zip64 + 48 <= at:
        length = int.from_bytes(tail[zip64 + 40 : zip64 + 48], "little")
    if length > _LARGEST_DIRECTORY:
        raise UnreadableFileError(path, f"has a list of files of {length >> 20} MiB", _HOSTILE, "64 MiB at most")


def _check_name(path: Path, info: zipfile.ZipInfo) -> None:
    for name in {info.filename, info.orig_filename}:
        parts = re.split(r"[/\\]", name)
        if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name) or "\0" in name or ":/" in name:
            raise UnreadableFileError(
                path, f"holds {name!r}, which names a place outside the zip", _HOSTILE, "names below one folder"
            )
    if info.external_attr >> 16 & 0o170000 == _LINK:
        raise UnreadableFileError(path, f"holds {info.filename!r}, a link", "Zip the files that it points to.")


def _check_content(path: Path, info: zipfile.ZipInfo) -> None:
    if info.flag_bits & 0x41:  # encrypted, in the old way or in the strong one
        raise UnreadableFileError(path, f"holds {info.filename!r}, which is encrypted", "Zip it without a password.")
    if info.compress_type not in (_STORED, _DEFLATED):
        way = _OTHER_WAYS.get(info.compress_type, f"method {info.compress_type}")
        raise UnreadableFileError(
            path, f"holds {info.filename!r}, compressed by {way}", _MAKE_AGAIN, "deflated or stored members"
        )
    if info.file_size > max(_SMALL, _MEMBER_RATIO * info.compress_size):
        found = f"{info.compress_size} bytes of {info.filename!r} would become {info.file_size}"
        raise UnreadableFileError(path, found, _HOSTILE, f"at most {_MEMBER_RATIO} times")


def _check_all(path: Path, size: int, found: list[Member]) -> None:
    total = sum(one.size for one in found)
    if total > max(_SMALL_IN_ALL, _RATIO * size):
        raise UnreadableFileError(path, f"{size} bytes would become {total}", _HOSTILE, f"at most {_RATIO} times")
    end = 0
    for one in sorted(found, key=lambda one: one.at):
        if one.at < end or one.at + one.packed > size:
            raise UnreadableFileError(path, f"holds {one.name!r}, which lies over another file of it", _HOSTILE)
        end = one.at + _LOCAL.size + one.packed


class _Stream(io.RawIOBase):
    """The content of a member, forwards; what is longer than the zip says, or has another checksum, is an error."""

    def __init__(self, path: Path, member: Member) -> None:
        self._member = member
        self._file = path.open("rb")
        try:
            self._file.seek(member.at)
            head = self._file.read(_LOCAL.size)
            if len(head) < _LOCAL.size or head[:4] != b"PK\x03\x04":
                raise OSError(f"{member.name} is not where the zip says")
            _sign, name, extra = _LOCAL.unpack(head)
        except BaseException:
            self._file.close()
            raise
        self._begin = member.at + _LOCAL.size + name + extra
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
