"""Headers of DICOM files: the values that reading needs, and where the pixels begin; no pixel is read."""

import struct
import warnings
import zlib
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
from medseg.io.dicom.content import EXPORT_AGAIN, check_items, read_bytes
from medseg.io.dicom.elements import (
    DEFLATED,
    WANTED,
    CrowdedError,
    ShortError,
    UnusualError,
    as_number,
    parse,
    parse_inflated,
    sign_padding,
)

__all__ = ["BROKEN", "RADIOGRAPHS", "Slice", "converted", "dataset", "guarded", "heard", "read_header", "whole_header"]

RADIOGRAPHS = ("CR", "DX", "MG", "RG", "IO", "PX", "XA", "RF")
_PREFIX = 32 * 1024  # most headers end well before
_LONGEST = 128 * 1024 * 1024  # a header this long is none
BROKEN = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    OSError,
    struct.error,
    zlib.error,
)
_EXPLICIT = b"1.2.840.10008.1.2.1"
_META_BEGINS = 144  # bytes of the preamble, the prefix and the element that gives the length of the meta group
# One each by the standard; the other wanted values may be several.
_PIXEL_NUMBERS = (
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration", "BitsAllocated", "BitsStored"),
    *("HighBit", "PixelRepresentation"),
)
_TEXTS = ("CS", "UI", "DA", "TM", "DT", "LO")
_SEVERAL = ("SpecificCharacterSet", "ImageType")
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
        return _checked(_read(path, start))
    except CrowdedError as error:
        raise UnreadableFileError(path, "has more elements than any header", EXPORT_AGAIN) from error


def _read(path: Path, start: bytes) -> Slice:
    try:
        return _parsed(path, start)
    except ShortError:
        # Long headers are rare: private data of several megabytes, or a file that was cut off.
        try:
            return _parsed(path, read_bytes(path, _LONGEST))
        except ShortError:
            return _by_pydicom(path)


def _checked(one: Slice) -> Slice:
    """Numbers that describe the pixels must be one whole number each; a name with a backslash stays one text."""
    header = one.header
    for keyword in _PIXEL_NUMBERS:
        value = header.get(keyword)
        if not (value is None or (isinstance(value, int) and value >= 0)):
            raise UnreadableFileError(one.path, f"{keyword} is {value!r}", EXPORT_AGAIN, "one whole number")
    if header.get("Rows") is not None and header.get("Columns") is None:
        raise UnreadableFileError(one.path, "has Rows and no Columns", EXPORT_AGAIN)
    for keyword, kind in WANTED.values():
        value = header.get(keyword)
        if isinstance(value, tuple) and kind in _TEXTS and keyword not in _SEVERAL:
            header[keyword] = "\\".join(value)
    return one


def dataset(path: Path) -> Any:
    """The whole header as pydicom's Dataset, without pixels.

    Its values are converted when they are asked for, so that a broken one raises there: use it in `guarded`.

    Raises:
        UnreadableFileError: The header is broken.
    """
    return _opened(path)[0]


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


def heard(work: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """A result, and what pydicom warned of meanwhile, each text once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = work()
    return result, tuple(dict.fromkeys(str(warning.message).splitlines()[0] for warning in caught))


def _parsed(path: Path, content: bytes) -> Slice:
    try:
        header, at = parse(content)
        if header["TransferSyntaxUID"] == DEFLATED:
            return _parsed_deflated(path, header, at)
    except UnusualError:
        return _by_pydicom(path)
    if at < len(content):
        return Slice(path, header, at)
    if len(content) == _PREFIX:
        raise ShortError
    return Slice(path, header, None)


def _parsed_deflated(path: Path, header: dict[str, Any], at: int) -> Slice:
    """As `_parsed`, of a stream that begins at `at`: no more of it is inflated than the header needs."""
    for most in (_PREFIX, _LONGEST):
        inflated = read_bytes(path, most, 0, at)
        try:
            pixels_at = parse_inflated(inflated, header)
        except ShortError:
            if len(inflated) < most:
                raise
            continue
        if pixels_at < len(inflated) or len(inflated) < most:
            return Slice(path, header, pixels_at if pixels_at < len(inflated) else None, at)
    raise ShortError


def _by_pydicom(path: Path) -> Slice:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whoever reads more of the file than this is told
        whole, pixels_at, deflated_at = _opened(path)
        return Slice(path, guarded(path, lambda: _plain(whole)), pixels_at, deflated_at)


def _opened(path: Path) -> tuple[Any, int | None, int]:
    """All of the header by pydicom, and what a `Slice` says of where the pixels begin."""
    content, deflated_at = _inflated(path, read_bytes(path, _LONGEST))
    check_items(path, content)
    file = BytesIO(content)
    whole = guarded(path, lambda: pydicom.dcmread(file, stop_before_pixels=True, force=True))
    if getattr(whole, "file_meta", None) and "TransferSyntaxUID" not in whole.file_meta:
        raise UnreadableFileError(path, "does not say how it is encoded (TransferSyntaxUID)", EXPORT_AGAIN)
    at = file.tell()
    return whole, at - deflated_at if file.read(1) else None, deflated_at


def _inflated(path: Path, content: bytes) -> tuple[bytes, int]:
    """A deflated file as a plain one, and where its stream begins; 0 for others.

    pydicom would inflate it at one go, however large it became.
    """
    at = _META_BEGINS + int.from_bytes(content[_META_BEGINS - 4 : _META_BEGINS], "little")
    deflated = DEFLATED.encode() in content[:at]
    plain = content.replace(DEFLATED.encode(), _EXPLICIT.ljust(len(DEFLATED), b"\0"))
    return (plain[:at] + read_bytes(path, _LONGEST, 0, at), at) if deflated else (plain, 0)


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
