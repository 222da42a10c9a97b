"""Files inside a zip, read as they lie there: nothing is unpacked to a disk, nor inflated before it is asked for."""

import io
import struct
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, cast

from medseg import address
from medseg.errors import UnreadableFileError
from medseg.io.zip_checks import MAKE_AGAIN, Member, check_all, check_content, check_directory, check_name
from medseg.io.zip_stream import MemberStream

__all__ = ["is_archive", "members", "open_binary", "size_of", "split_member"]

_MARK = ".zip:/"
_BUFFER = 1 << 18


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
    stream = MemberStream(found[0], _member(path, *found))
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
    check_directory(path, size)
    try:
        with zipfile.ZipFile(path) as whole:
            infos = whole.infolist()
    except (zipfile.BadZipFile, zipfile.LargeZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(path, f"is no zip, or damaged ({error})", "Fetch or make it again.") from error
    found: dict[str, Member] = {}
    for info in sorted(infos, key=lambda info: info.filename):
        check_name(path, info)
        if info.is_dir():
            continue
        check_content(path, info)
        if info.filename in found:
            raise UnreadableFileError(path, f"holds {info.filename!r} twice", MAKE_AGAIN)
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        one = Member(info.filename, info.file_size, info.compress_size, info.header_offset, deflated, info.CRC)
        found[one.name] = one
    check_all(path, size, list(found.values()))
    return {name: one for name, one in found.items() if not _hidden(name)}


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
