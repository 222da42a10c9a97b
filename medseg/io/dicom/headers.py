"""Headers of DICOM files: the values that reading needs, and where the pixels begin; no pixel is read."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar

import pydicom
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.multival import MultiValue

from medseg.errors import UnreadableFileError
from medseg.io import formats
from medseg.io.dicom.content import EXPORT_AGAIN, read_bytes
from medseg.io.dicom.elements import (
    DEFLATED,
    WANTED,
    ShortError,
    UnusualError,
    as_number,
    parse,
    parse_inflated,
    sign_padding,
)

__all__ = ["BROKEN", "RADIOGRAPHS", "Slice", "converted", "dataset", "guarded", "read_header", "whole_header"]

RADIOGRAPHS = ("CR", "DX", "MG", "RG", "IO", "PX", "XA", "RF")
_PREFIX = 32 * 1024  # most headers end well before
_LONGEST = 256 * 1024 * 1024  # a header this long is none
BROKEN = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Slice:
    """One image of a file: a file of its own, or a frame of a multi-frame one.

    Args:
        path: The file.
        header: Values by DICOM keyword: text, numbers, tuples of them; `True` for a sequence that is there. Where all
            of it is needed, pydicom's Dataset, which answers to `get` alike.
        pixels_at: The byte where the pixel data element begins; `None` where there is none.
        deflated_at: Where the deflated stream begins in which `pixels_at` counts; 0 for other files.
        frame: Which frame it is, from 0; `None` for a file of one frame.
    """

    path: Path
    header: Any
    pixels_at: int | None
    deflated_at: int = 0
    frame: int | None = None

    @property
    def series(self) -> str:
        """Its SeriesInstanceUID."""
        return str(self.header.get("SeriesInstanceUID") or "")

    @property
    def modality(self) -> str:
        """DICOM's word for it, such as "CT"."""
        return str(self.header.get("Modality") or "")

    @property
    def frames(self) -> int:
        """How many frames its file holds."""
        count = self.header.get("NumberOfFrames") or 1
        return count if isinstance(count, int) else 1


def read_header(path: Path) -> Slice | None:
    """The header of a file, or `None` for one that is no DICOM and does not claim to be by its name.

    Raises:
        UnreadableFileError: The file claims to be DICOM and is broken, or cannot be opened.
    """
    start = read_bytes(path, _PREFIX)
    if not formats.begins_as_dicom(start):
        if formats.ending(path) in formats.DICOM_ENDINGS:
            raise UnreadableFileError(path, "is empty or not DICOM", EXPORT_AGAIN)
        return None
    try:
        return _parsed(path, start)
    except ShortError:
        # Long headers are rare: private data of several megabytes, or a file that was cut off.
        rest = read_bytes(path, _LONGEST)
    try:
        return _parsed(path, rest)
    except ShortError:
        return _by_pydicom(path)


def dataset(path: Path) -> Any:
    """The whole header as pydicom's Dataset, without pixels.

    Its values are converted when they are asked for, so that a broken one raises there: use it in `guarded`.

    Raises:
        UnreadableFileError: The header is broken.
    """
    content = BytesIO(read_bytes(path, _LONGEST))
    return guarded(path, lambda: pydicom.dcmread(content, stop_before_pixels=True, force=True))


def whole_header(one: Slice) -> Any:
    """All of a slice's header as pydicom's Dataset; see `dataset`."""
    return dataset(one.path) if isinstance(one.header, dict) else one.header


def guarded(where: str | Path, work: Callable[[], T]) -> T:
    """The result of work on pydicom's values; what is wrong with them becomes an error that names the file.

    Raises:
        UnreadableFileError: A value cannot be used.
    """
    try:
        return work()
    except BROKEN as error:
        raise UnreadableFileError(where, f"has header values that cannot be used ({error})", EXPORT_AGAIN) from error


def _parsed(path: Path, content: bytes) -> Slice:
    try:
        header, at = parse(content)
        if header["TransferSyntaxUID"] == DEFLATED:
            inflated = read_bytes(path, _LONGEST, 0, at)
            pixels_at = parse_inflated(inflated, header)
            return Slice(path, header, pixels_at if pixels_at < len(inflated) else None, at)
    except UnusualError:
        return _by_pydicom(path)
    if at < len(content):
        return Slice(path, header, at)
    if len(content) == _PREFIX:
        raise ShortError
    return Slice(path, header, None)


def _by_pydicom(path: Path) -> Slice:
    content = BytesIO(read_bytes(path, _LONGEST))
    whole = guarded(path, lambda: pydicom.dcmread(content, stop_before_pixels=True, force=True))
    at = content.tell()
    return Slice(path, guarded(path, lambda: _plain(whole)), at if content.read(1) else None)


def _plain(whole: Any) -> dict[str, Any]:
    """The wanted values of a Dataset as `elements.parse` gives them."""
    syntax = getattr(getattr(whole, "file_meta", None), "TransferSyntaxUID", "1.2.840.10008.1.2")
    header: dict[str, Any] = {"TransferSyntaxUID": str(syntax)}
    for tag, (keyword, kind) in WANTED.items():
        if tag in whole:
            header[keyword] = True if kind == "SQ" else converted(whole[tag].value, kind)
    sign_padding(header)
    return header


def converted(value: Any, kind: str) -> Any:
    """A value of pydicom's as `elements.parse` gives it."""
    if isinstance(value, (MultiValue, list, tuple)):
        return tuple(converted(part, kind) for part in value)
    if value is None or kind in ("US", "FD", "OV"):
        return value
    return as_number(str(value), kind) if kind in ("DS", "IS") else str(value).strip(" \0")
