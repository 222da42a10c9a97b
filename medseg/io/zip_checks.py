"""What makes a zip be refused before a byte of its members is inflated: damage, and all that a hostile one can try."""

import re
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg.errors import UnreadableFileError

__all__ = ["LOCAL", "MAKE_AGAIN", "Member", "check_all", "check_content", "check_directory", "check_name"]

LOCAL = struct.Struct("<4s22xHH")  # of a member's own header: its sign, and the lengths of name and extra field
MAKE_AGAIN = "Make the zip again from the study's own folder."
_LARGEST_DIRECTORY = 64 << 20  # bytes of the zip's own list, of some 100 for a file
_SMALL = 64 << 20  # what a member may become in any case ...
_MEMBER_RATIO = 1100  # ... and beyond, how many times its size: deflate cannot shrink more than 1032 times
_SMALL_IN_ALL = 1 << 30
_RATIO = 100  # of all members against the zip: images are shrunk to a half or a fifth, as a rule
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_OTHER_WAYS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "Zstandard", 98: "PPMd"}
_END = struct.Struct("<4s8xII")  # of the end record: the length of the list, and where it begins
_LINK = 0o120000
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


def check_directory(path: Path, size: int) -> None:
    """Refuse a list that would fill the memory before a single member is known.

    Args:
        path: The zip.
        size: Its bytes.

    Raises:
        UnreadableFileError: It is refused, or it is no zip.
    """
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


def check_name(path: Path, info: zipfile.ZipInfo) -> None:
    """Refuse a name that leads outside the zip, and links.

    Raises:
        UnreadableFileError: It is refused.
    """
    for name in {info.filename, info.orig_filename}:
        parts = re.split(r"[/\\]", name)
        if ".." in parts or not parts[0] or re.match(r"[A-Za-z]:", name) or "\0" in name or ":/" in name:
            raise UnreadableFileError(
                path, f"holds {name!r}, which names a place outside the zip", _HOSTILE, "names below one folder"
            )
    if info.external_attr >> 16 & 0o170000 == _LINK:
        raise UnreadableFileError(path, f"holds {info.filename!r}, a link", "Zip the files that it points to.")


def check_content(path: Path, info: zipfile.ZipInfo) -> None:
    """Refuse a member that cannot be inflated, or would become far more than deflate can shrink.

    Raises:
        UnreadableFileError: It is refused.
    """
    if info.flag_bits & 0x41:  # encrypted, in the old way or in the strong one
        raise UnreadableFileError(path, f"holds {info.filename!r}, which is encrypted", "Zip it without a password.")
    if info.compress_type not in (_STORED, _DEFLATED):
        way = _OTHER_WAYS.get(info.compress_type, f"method {info.compress_type}")
        raise UnreadableFileError(
            path, f"holds {info.filename!r}, compressed by {way}", MAKE_AGAIN, "deflated or stored members"
        )
    if info.file_size > max(_SMALL, _MEMBER_RATIO * info.compress_size):
        found = f"{info.compress_size} bytes of {info.filename!r} would become {info.file_size}"
        raise UnreadableFileError(path, found, _HOSTILE, f"at most {_MEMBER_RATIO} times")


def check_all(path: Path, size: int, found: Sequence[Member]) -> None:
    """Refuse members that together would become far more than images do, or lie over one another.

    Raises:
        UnreadableFileError: They are refused.
    """
    total = sum(one.size for one in found)
    if total > max(_SMALL_IN_ALL, _RATIO * size):
        raise UnreadableFileError(path, f"{size} bytes would become {total}", _HOSTILE, f"at most {_RATIO} times")
    end = 0
    for one in sorted(found, key=lambda one: one.at):
        if one.at < end or one.at + one.packed > size:
            raise UnreadableFileError(path, f"holds {one.name!r}, which lies over another file of it", _HOSTILE)
        end = one.at + LOCAL.size + one.packed
