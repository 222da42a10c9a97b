"""DICOM objects that hold no image (SEG, RTSTRUCT): told apart, opened whole, and checked against an image."""

import io
import mmap
import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian

from medseg.errors import GridMismatchError, UnreadableFileError
from medseg.io import formats
from medseg.io.dicom.content import EXPORT_AGAIN, check_items
from medseg.io.dicom.headers import BROKEN, heard

__all__ = ["ObjectKind", "check_reference", "guarded", "kind_of", "opened", "whole_number"]

ObjectKind = Literal["SEG", "RTSTRUCT"]
T = TypeVar("T")
_KINDS: dict[str, ObjectKind] = {
    "1.2.840.10008.5.1.4.1.1.66.4": "SEG",
    "1.2.840.10008.5.1.4.1.1.66.7": "SEG",  # label map segmentation
    "1.2.840.10008.5.1.4.1.1.481.3": "RTSTRUCT",
}
# What pydicom raises over broken bytes, some of it only when a value is first asked for.
_BROKEN = (*BROKEN, MemoryError, AssertionError)
_QUOTED = 200  # characters of pydicom's own message, which may hold whole values
_INFLATED = 2**30  # bytes that a deflated file may unfold into


def kind_of(path: Path) -> ObjectKind | None:
    """Which of the two a file is, by its storage class; `None` for everything else, broken files among it."""
    try:
        if not path.is_file() or not formats.is_dicom(path):
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _KINDS.get(_storage_class(path))
    except _BROKEN:
        return None


def opened(path: Path) -> Any:
    """The whole data set of a file; a deflated one must not unfold beyond a bound. Call it `guarded`."""
    if _is_deflated(path):
        _check_inflated(path)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        check_items(path, content)
    return pydicom.dcmread(path, force=True)


def guarded(path: Path, work: Callable[[], T]) -> tuple[T, tuple[str, ...]]:
    """A result, and what pydicom warned of meanwhile, each text once.

    Raises:
        UnreadableFileError: pydicom failed, which it may do wherever a value is first asked for.
    """

    def named() -> T:
        try:
            return work()
        except _BROKEN as error:
            found = f"has values that cannot be used ({str(error)[:_QUOTED]})"
            raise UnreadableFileError(path, found, EXPORT_AGAIN) from error

    return heard(named)


def whole_number(item: Any, name: str, path: Path, least: int = 1) -> int:
    """A whole number that must be there, not below `least`."""
    value = item.get(name)
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = least - 1
    if number < least:
        raise UnreadableFileError(path, f"{name} is {value!r}", EXPORT_AGAIN, f"a whole number from {least}")
    return number


def check_reference(
    path: Path, facts: Mapping[str, str], frames: Iterable[str], series: Iterable[str], across_frames: bool
) -> tuple[str, ...]:
    """Whether an object was drawn on an image, by what both say; notes where only the series differs.

    Args:
        path: The object's file.
        facts: The image's; "frame_of_reference" and "series" are looked at where they are known.
        frames: UIDs of the frames of reference in which the object was drawn.
        series: UIDs of the series that it names as its source.
        across_frames: Take positions of different frames of reference as one.

    Raises:
        GridMismatchError: It lies in another frame of reference, whose positions mean other places.
    """
    notes: tuple[str, ...] = ()
    known, drawn_in = facts.get("frame_of_reference", ""), sorted({uid for uid in frames if uid})
    other = [uid for uid in drawn_in if known and uid != known]
    if other and not across_frames:
        raise GridMismatchError(
            path,
            f"was drawn in the frame of reference {other[0]} and not in the image's ({known})",
            "Pass the image that it was drawn on; if both were registered, allow it: ReadOptions(across_frames=True).",
        )
    if other:
        notes += (f"drawn in another frame of reference ({other[0]}), which was taken as the image's",)
    named = sorted({uid for uid in series if uid})
    if named and facts.get("series", "") not in ("", *named):
        notes += (f"drawn on the series {', '.join(named[:3])} and not on this one, whose grid it fits",)
    return notes


def _storage_class(path: Path) -> str:
    try:
        return str(read_file_meta_info(path).get("MediaStorageSOPClassUID", ""))
    except InvalidDicomError:  # older files have no preamble and no file meta
        if _is_deflated(path):
            return ""
        header = pydicom.dcmread(path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID"])
        return str(header.get("SOPClassUID", ""))


def _is_deflated(path: Path) -> bool:
    with path.open("rb") as file:
        return DeflatedExplicitVRLittleEndian.encode() in file.read(4096)


def _check_inflated(path: Path) -> None:
    """Unfold a deflated data set piece by piece, keeping nothing, before pydicom does it at one go."""
    with path.open("rb") as file:
        head = file.read(144)  # preamble, DICM, and the length of the file meta, which the standard demands
        if head[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
            raise UnreadableFileError(path, "is deflated and does not say where its data begins", EXPORT_AGAIN)
        file.seek(struct.unpack("<I", head[140:])[0], io.SEEK_CUR)
        unfolding, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
        while piece := unfolding.unconsumed_tail or file.read(2**16):
            size += len(unfolding.decompress(piece, 2**20))
            if size > _INFLATED:
                found = f"is deflated and unfolds to more than {_INFLATED >> 30} GiB"
                raise UnreadableFileError(path, found, "Store it without compression (dcmconv, dcmdjpeg).")
