"""The bytes of a DICOM file, plain, gzipped or deflated; never more of them than were asked for."""

import mmap
import re
import zlib
from contextlib import nullcontext
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from isal import igzip, isal_zlib

from medseg.errors import UnreadableFileError
from medseg.io.archive import open_binary, split_member

__all__ = ["EXPORT_AGAIN", "check_items", "opened", "packed", "read_bytes"]

EXPORT_AGAIN = "Fetch or export it again."
_OVERHEAD = 2**20
_ITEM = re.compile(rb"\xfe\xff\x00\xe0")
_MOST_ITEMS = 1_000_000  # ten for each frame of a functional MR of 40,000 are less than half as many
_BROKEN_STREAM: type[Exception] = isal_zlib.error  # type: ignore[assignment]


def check_items(path: Path, content: bytes | mmap.mmap) -> None:
    """Refuse a header that would unfold to a hundred times its size: pydicom takes 1.3 kB for an item of 8 bytes.

    Raises:
        UnreadableFileError: Its sequences have more items than those of any real one.
    """
    if next(islice(_ITEM.finditer(content), _MOST_ITEMS, None), None) is not None:
        raise UnreadableFileError(path, f"has more than {_MOST_ITEMS} items in its sequences", EXPORT_AGAIN)


def _gzipped(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def packed(path: Path) -> bool:
    """Whether the file is compressed as a whole, as its name says, or lies in a zip."""
    return _gzipped(path) or split_member(path) is not None


def opened(path: Path, limit: int, deflated_at: int = 0) -> BinaryIO:
    """The file itself, or its first `limit` inflated bytes; arguments and errors as for `read_bytes`."""
    if deflated_at or packed(path):
        return BytesIO(read_bytes(path, limit, 0, deflated_at))
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", EXPORT_AGAIN) from error


def read_bytes(path: Path, count: int, start: int = 0, deflated_at: int = 0) -> bytes:
    """At most `count` bytes from `start` on.

    Args:
        path: The file, perhaps inside a zip; one that ends in .gz is inflated.
        count: The most that is returned, and kept in memory.
        start: Where to begin, in the inflated stream.
        deflated_at: Where the deflated data set of the deflated transfer syntax begins; what lies before it (the
            file's meta group) is not part of the stream. 0 for all other files.

    Raises:
        UnreadableFileError: The file is missing, cannot be opened or is broken.
    """
    try:
        with open_binary(path) as plain, igzip.open(plain, "rb") if _gzipped(path) else nullcontext(plain) as file:
            file.seek(deflated_at or start)
            if not deflated_at:
                return file.read(count)
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            # What deflate cannot shrink, it makes longer by next to nothing.
            return inflate.decompress(file.read(start + count + _OVERHEAD), start + count)[start:]
    except FileNotFoundError as error:
        raise UnreadableFileError(path, "does not exist", "Check the path.") from error
    except (OSError, EOFError, zlib.error, _BROKEN_STREAM) as error:
        raise UnreadableFileError(path, f"cannot be read ({error})", EXPORT_AGAIN) from error
